import { describe, expect, it } from 'vitest';
import { createDocumentCache } from './document-cache.ts';

const minute = 60_000;

function world(cacheControl?: string) {
  let now = 1e9;
  let loads = 0;
  let failing: Error | undefined;
  const cache = createDocumentCache<number>(() => now);
  const load = async () => {
    loads++;
    await Promise.resolve();
    if (failing !== undefined) throw failing;
    return { value: loads, cacheControl };
  };
  return {
    get: (id = 'a') => cache.get(id, load),
    renew: (id = 'a') => cache.renew(id, load),
    pass: (ms: number) => {
      now += ms;
    },
    fail: (error: Error | undefined) => {
      failing = error;
    },
    loads: () => loads,
  };
}

describe('a cache of foreign documents', () => {
  it('shares one load among all who ask meanwhile', async () => {
    const { get, renew, loads } = world('max-age=600');

    await Promise.all([get(), get(), renew(), get()]);

    expect(loads()).toBe(1);
  });

  it.each([
    ['max-age=600', 10],
    ['public, Max-Age="600"', 10],
    ['max-age=1', 1],
    ['max-age=0', 1],
    ['no-store, max-age=600', 1],
    ['no-cache', 1],
    ['max-age=9999999999', 60],
    ['max-age=99999999999999', 5],
    ['max-age=-5', 5],
    ['max-age=abc', 5],
    [undefined, 5],
  ])('with Cache-Control %j holds %d minutes', async (cacheControl, minutes) => {
    const { get, pass, loads } = world(cacheControl);
    await get();

    pass(minutes * minute - 1);
    await get();
    expect(loads()).toBe(1);
    pass(1);
    await get();
    expect(loads()).toBe(2);
  });

  it('uses a stale document for ten minutes while the server fails, and no longer', async () => {
    const { get, pass, fail } = world('max-age=600');
    await get();
    fail(new Error('down'));

    pass(10 * minute);
    expect(await get()).toBe(1);
    pass(10 * minute - 1);
    expect(await get()).toBe(1);
    pass(1);
    await expect(get()).rejects.toThrow('down');
  });

  it('asks a failing server once in ten seconds', async () => {
    const { get, pass, fail, loads } = world('max-age=600');
    fail(new Error('down'));

    for (let i = 0; i < 5; i++) await expect(get()).rejects.toThrow('down');
    expect(loads()).toBe(1);
    pass(10_000);
    fail(undefined);
    expect(await get()).toBe(2);
  });

  it('renews at most once in ten seconds', async () => {
    const { get, renew, pass, loads } = world('max-age=600');
    await get();

    for (let i = 0; i < 5; i++) expect(await renew()).toBe(1);
    pass(10_000);
    for (let i = 0; i < 5; i++) expect(await renew()).toBe(2);
    expect(loads()).toBe(2);
  });

  it('says that a renewal failed, and still has the fresh document', async () => {
    const { get, renew, pass, fail } = world('max-age=600');
    await get();
    pass(10_000);
    fail(new Error('down'));

    await expect(renew()).rejects.toThrow('down');
    expect(await get()).toBe(1);
  });

  it('holds a bounded number of documents', async () => {
    const { get, loads } = world('max-age=600');
    for (let i = 0; i < 65; i++) await get(String(i));

    await get('64');
    expect(loads()).toBe(65);
    await get('0');
    expect(loads()).toBe(66);
  });
});
