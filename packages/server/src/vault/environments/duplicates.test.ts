import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TestAnswer } from '../../../test-support/vault.ts';
import { removeMount } from '../mounts/change.ts';
import { mountsOf } from '../mounts/table.ts';
import { hitsPerHour } from './attempts.ts';
import { holdingOf, sharedPrints } from './places.ts';
import { refusedWrites } from './refused.ts';
import { openShop, type Shop } from './shop.fixture.ts';

let shop: Shop;
let unique = 0;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());
beforeEach(async () => {
  for (const each of ['dev', 'stage', 'prod']) await shop.set(each, { duplicates: 'report' });
});

const newValue = (): string => {
  unique += 1;
  return `s3cret-Value-${unique}-xQ`;
};
const put = (mount: string, path: string, data: object, token?: string): Promise<TestAnswer> =>
  mount.endsWith('1')
    ? shop.request('PUT', `${mount}/${path}`, { body: data, ...(token === undefined ? {} : { token }) })
    : shop.request('POST', `${mount}/data/${path}`, {
        body: { data },
        ...(token === undefined ? {} : { token }),
      });
const shared = (): number => shop.journal.peek((turn) => sharedPrints(turn).length);
const refused = (): number => shop.journal.peek((turn) => refusedWrites(turn).length);

describe('a value that another environment has', () => {
  it('is written with a warning where it is reported, and refused where it is refused', async () => {
    const value = newValue();
    await put('dev', 'db', { password: value });

    const reported = await put('stage', 'db', { password: value });
    await shop.set('prod', { duplicates: 'refuse' });
    const before = refused();
    const refusal = await put('prod', 'db', { password: value });

    expect(reported.status).toBe(200);
    expect(reported.body.warnings).toEqual([
      'value exists in another environment: "password", also shop/dev at dev/data/db#password',
    ]);
    expect(refusal.status).toBe(400);
    expect(refusal.body.errors[0]).toContain('value exists in another environment: "password"');
    expect(refusal.text).not.toContain(value);
    expect((await shop.request('GET', 'prod/data/db')).status).toBe(404);
    expect((await shop.request('GET', 'prod/metadata/db')).status).toBe(404);
    expect(refused()).toBe(before + 1);
  });

  it('is refused as well when only the other environment refuses', async () => {
    const value = newValue();
    await shop.set('prod', { duplicates: 'refuse' });
    await put('prod', 'api', { key: value });

    expect((await put('dev', 'api', { key: value })).status).toBe(400);
    expect((await put('dev1', 'api', { key: value })).status).toBe(400);
  });

  it('is found under other keys, at any depth, as number or text, with spaces around, in both versions', async () => {
    await shop.set('prod', { duplicates: 'refuse' });
    const value = newValue();
    await put('prod1', 'deep', { list: [{ inner: { pin: 4_711_081_512 } }, ` ${value}\n`] });

    const answers = await Promise.all([
      put('dev', 'a', { other: value }),
      put('dev', 'b', { x: { y: [{ z: value }] } }),
      put('dev', 'c', { pin: '4711081512' }),
      put('dev1', 'd', { password: `${value}\r\n` }),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400]);
  });

  it('is found by a patch, which changes nothing then', async () => {
    const value = newValue();
    await put('prod', 'patched', { password: value });
    await shop.set('prod', { duplicates: 'refuse' });
    await put('dev', 'patched', { password: newValue() });

    const answer = await shop.request('PATCH', 'dev/data/patched', {
      body: { data: { password: value } },
      headers: { 'content-type': 'application/merge-patch+json' },
    });

    expect(answer.status).toBe(400);
    expect((await shop.request('GET', 'dev/metadata/patched')).body.data.current_version).toBe(1);
  });

  it('may stay in one environment as often as one likes, and in the next version of the secret that has it', async () => {
    await shop.set('dev', { duplicates: 'refuse' });
    const value = newValue();

    expect((await put('dev', 'one', { password: value })).status).toBe(200);
    expect((await put('dev', 'two', { password: value })).status).toBe(200);
    expect((await put('dev1', 'three', { password: value })).status).toBe(204);
    expect((await put('dev', 'one', { password: value, more: newValue() })).status).toBe(200);
  });

  it('does not block the next version of a secret whose value somebody wrote elsewhere', async () => {
    const value = newValue();
    await put('prod', 'blocked', { password: value });
    await put('dev', 'blocker', { password: value });
    await shop.set('prod', { duplicates: 'refuse' });

    const answer = await put('prod', 'blocked', { password: value, more: newValue() });

    expect(answer.status).toBe(200);
  });
});

describe('who may not read the other place', () => {
  const policy = 'path "*" { capabilities = ["create", "update", "read"] }';

  it('is not told where the value is, not by the warning and not by the refusal', async () => {
    const value = newValue();
    await put('prod', 'hidden/place', { special: value });
    const token = await shop.tokenFor(policy, ['shop/dev']);

    const reported = await put('dev', 'mine', { password: value }, token);
    await shop.set('prod', { duplicates: 'refuse' });
    const refusal = await put('dev', 'mine2', { password: value }, token);

    for (const { text } of [reported, refusal]) {
      expect(text).toContain('exists in another environment');
      for (const hint of ['prod', 'hidden', 'place', 'special', value]) expect(text).not.toContain(hint);
    }
  });

  it('is not told either when policies give the environment and not the path', async () => {
    const value = newValue();
    await put('prod', 'closed', { special: value });
    const token = await shop.tokenFor(`${policy}\npath "prod/data/closed" { capabilities = ["deny"] }`, [
      'shop/dev',
      'shop/prod',
    ]);

    const reported = await put('dev', 'mine', { password: value }, token);

    expect(reported.text).toContain('exists in another environment');
    expect(reported.text).not.toContain('closed');
  });

  it('meets some values in an hour, and then writes nothing new, found or not, until the hour is over', async () => {
    const values = Array.from({ length: hitsPerHour + 1 }, newValue);
    await put('prod', 'many', Object.fromEntries(values.map((value, index) => [`key${index}`, value])));
    const token = await shop.tokenFor(policy, ['shop/dev']);
    const made = await shop.request('POST', 'auth/token/create', { token, body: {} });
    const child = made.body.auth.client_token;

    const statuses: number[] = [];
    for (const [index, value] of values.slice(0, hitsPerHour).entries())
      statuses.push((await put('dev', `guess/${index}`, { password: value }, token)).status);
    const hit = await put('dev', 'guess/last', { password: values.at(-1) ?? '' }, token);
    const miss = await put('dev', 'guess/last', { password: newValue() }, token);
    const old = await put('dev', 'guess/0', { password: values[0] }, token);
    const byChild = await put('dev', 'guess/last', { password: newValue() }, child);
    const other = await put('dev', 'guess/last', { password: newValue() });
    shop.clock.advance(3_660_000);
    const later = await put('dev', 'guess/last', { password: newValue() }, token);

    expect(statuses).toEqual(values.slice(1).map(() => 200));
    expect(hit.status).toBe(429);
    expect({ status: miss.status, text: miss.text }).toEqual({ status: 429, text: hit.text });
    expect(old.status).toBe(200);
    expect(other.status).toBe(200);
    expect(later.status).toBe(200);
    expect(byChild.status).toBe(429);
  });
});

describe('the index of values', () => {
  it('forgets a value with the last version that held it', async () => {
    const one = newValue();
    const before = shared();
    await put('dev', 'life', { password: one });
    await put('stage', 'life', { password: one });
    await put('stage', 'life', { password: newValue() });
    expect(shared()).toBe(before + 1);

    await shop.request('DELETE', 'stage/data/life');
    await shop.request('POST', 'stage/delete/life', { body: { versions: [1] } });
    expect(shared()).toBe(before + 1);
    await shop.request('POST', 'stage/destroy/life', { body: { versions: [1] } });

    expect(shared()).toBe(before);
    expect((await put('stage', 'life', { password: one })).body.warnings).toHaveLength(1);
    await shop.request('DELETE', 'dev/metadata/life');
    expect(shared()).toBe(before);
  });

  it('forgets what versions beyond the kept ones held, and what a secret without versions held', async () => {
    const one = newValue();
    const before = shared();
    await put('dev', 'roll', { password: one });
    await shop.request('POST', 'dev/metadata/roll', { body: { max_versions: 2 } });
    await put('prod1', 'roll', { password: one });
    expect(shared()).toBe(before + 1);
    await put('dev', 'roll', { password: newValue() });
    expect(shared()).toBe(before + 1);

    await put('dev', 'roll', { password: newValue() });

    expect(shared()).toBe(before);
    await put('dev', 'roll2', { password: one });
    expect(shared()).toBe(before + 1);
    await put('prod1', 'roll', { password: newValue() });
    expect(shared()).toBe(before);
  });

  it('forgets what a mount held that is removed', async () => {
    const [versioned, plain] = [newValue(), newValue()];
    const before = shared();
    for (const [path, version] of [
      ['gone', '2'],
      ['gone1', '1'],
    ])
      await shop.request('POST', `sys/mounts/${path}`, {
        body: { type: 'kv', options: { version }, environment: 'shop/dev' },
      });
    await put('gone', 'a', { password: versioned });
    await put('gone1', 'a', { password: plain });
    await put('prod', 'kept', { one: versioned, two: plain });
    expect(shared()).toBe(before + 2);

    await shop.journal.run((turn) => {
      for (const mount of mountsOf(turn).mounts.filter(({ path }) => path.startsWith('gone')))
        removeMount(turn, mount);
      return { answer: undefined, audit: [] };
    });
    while ((await shop.vault.ownWork.some()) > 0);

    expect(shared()).toBe(before);
  });

  it('lists some places of a value that is everywhere, and counts all', async () => {
    const value = newValue();
    for (let index = 0; index < 40; index += 1) await put('dev', `every/${index}`, { password: value });
    const print = shop.journal.peek((turn) =>
      turn
        .space('system')
        .list('fingerprint/')
        .find((each) => holdingOf(turn, each).get('shop/dev')?.count === 40),
    );

    expect(print).toBeDefined();
    const holders = () => shop.journal.peek((turn) => holdingOf(turn, print ?? '').get('shop/dev'));
    expect(holders()?.places.length).toBeLessThanOrEqual(16);
    for (let index = 0; index < 39; index += 1) await shop.request('DELETE', `dev/metadata/every/${index}`);
    expect(holders()?.count).toBe(1);
    await shop.request('DELETE', 'dev/metadata/every/39');
    expect(holders()).toBeUndefined();
  });
});

describe('whatever is written, deleted and destroyed', () => {
  it('no value is in two environments that refuse, and the index knows exactly who holds what', async () => {
    await shop.set('dev', { duplicates: 'refuse' });
    await shop.set('prod', { duplicates: 'refuse' });
    const pool = Array.from({ length: 4 }, newValue);
    const places = ['dev', 'prod', 'stage', 'dev1', 'prod1'] as const;
    const step = fc.record({
      mount: fc.constantFrom(...places),
      path: fc.constantFrom('p/a', 'p/b'),
      does: fc.constantFrom('put', 'put', 'put', 'patch', 'delete', 'destroy', 'undelete', 'forget'),
      values: fc.array(fc.constantFrom(...pool), { minLength: 1, maxLength: 2 }),
      version: fc.integer({ min: 1, max: 4 }),
    });

    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        for (const { mount, path, does, values, version } of steps) {
          const data = Object.fromEntries(values.map((value, index) => [`key${index}`, value]));
          if (mount.endsWith('1')) {
            if (does.startsWith('put') || does === 'patch') await put(mount, path, data);
            else await shop.request('DELETE', `${mount}/${path}`);
          } else if (does === 'put') await put(mount, path, data);
          else if (does === 'patch')
            await shop.request('PATCH', `${mount}/data/${path}`, {
              body: { data },
              headers: { 'content-type': 'application/merge-patch+json' },
            });
          else if (does === 'forget') await shop.request('DELETE', `${mount}/metadata/${path}`);
          else await shop.request('POST', `${mount}/${does}/${path}`, { body: { versions: [version] } });
        }
        await expectExact(pool);
        for (const mount of places)
          for (const path of ['p/a', 'p/b'])
            await shop.request(
              'DELETE',
              mount.endsWith('1') ? `${mount}/${path}` : `${mount}/metadata/${path}`,
            );
      }),
      { numRuns: 15 },
    );
  });

  /** Compares the index with all values that can be brought back by reading and undeleting. */
  async function expectExact(pool: readonly string[]): Promise<void> {
    const held = new Map(pool.map((value) => [value, new Map<string, number>()]));
    for (const mount of ['dev', 'prod', 'stage', 'dev1', 'prod1']) {
      for (const path of ['p/a', 'p/b']) {
        const found = await valuesOf(mount, path);
        const environment = `shop/${mount.replace('1', '')}`;
        for (const value of pool) {
          const counts = held.get(value);
          if (found.includes(value)) counts?.set(environment, (counts.get(environment) ?? 0) + 1);
        }
      }
    }
    for (const environments of held.values())
      expect(environments.has('shop/dev') && environments.has('shop/prod')).toBe(false);
    const indexed = shop.journal.peek((turn) =>
      turn
        .space('system')
        .list('fingerprint/')
        .map((print) => holdingOf(turn, print))
        .filter((holding) =>
          [...holding.values()].some(({ places }) => places.some(({ path }) => path.startsWith('p/'))),
        )
        .map((holding) => JSON.stringify([...holding].map(([name, { count }]) => [name, count]).sort())),
    );
    const expected = [...held.values()]
      .filter((environments) => environments.size > 0)
      .map((environments) => JSON.stringify([...environments].sort()));
    expect([...indexed].sort()).toEqual(expected.sort());
  }

  async function valuesOf(mount: string, path: string): Promise<readonly string[]> {
    if (mount.endsWith('1')) {
      const { body } = await shop.request('GET', `${mount}/${path}`);
      return Object.values(body?.data ?? {});
    }
    const { body } = await shop.request('GET', `${mount}/metadata/${path}`);
    const all: string[] = [];
    for (const [version, { destroyed }] of Object.entries<{ destroyed: boolean }>(
      body?.data?.versions ?? {},
    )) {
      if (destroyed) continue;
      await shop.request('POST', `${mount}/undelete/${path}`, { body: { versions: [version] } });
      const read = await shop.request('GET', `${mount}/data/${path}?version=${version}`);
      all.push(...Object.values<string>(read.body.data.data));
    }
    return all;
  }
});
