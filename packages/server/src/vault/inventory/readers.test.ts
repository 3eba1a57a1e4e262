import { describe, expect, it } from 'vitest';
import { newMount } from '../mounts/new-mount.ts';
import { createReaders, readerFrom } from './readers.ts';

const mount = newMount({ path: 'dev/', kind: 'secret', type: 'kv', environment: 'shop/dev' });
const reader = readerFrom({ entityId: '', entityName: '', role: 'orders', displayName: 'approle' });

describe('readers', () => {
  it('add up by secret and reader, whichever token reads', () => {
    const readers = createReaders();
    const again = readerFrom({ entityId: '', entityName: '', role: 'orders', displayName: 'approle' });
    readers.saw(mount, 'a', { reader, version: 1, at: 10 });
    readers.saw(mount, 'a', { reader: again, version: 2, at: 20 });
    readers.saw(mount, 'b', { reader, version: 1, at: 15 });

    const taken = readers.take(10);

    expect(taken.map(({ path, first, last, version, count }) => [path, first, last, version, count])).toEqual(
      [
        ['a', 10, 20, 2, 2],
        ['b', 15, 15, 1, 1],
      ],
    );
    expect(readers.size).toBe(0);
  });

  it('come back whole when they could not be stored, also with what was seen meanwhile', () => {
    const readers = createReaders();
    readers.saw(mount, 'a', { reader, version: 1, at: 10 });
    const taken = readers.take(10);
    readers.saw(mount, 'a', { reader, version: 2, at: 20 });

    readers.giveBack(taken);

    expect(readers.take(10)).toMatchObject([{ path: 'a', first: 10, last: 20, version: 2, count: 2 }]);
  });

  it('are taken in portions, each secret whole', () => {
    const readers = createReaders();
    for (let path = 0; path < 5; path += 1)
      for (const name of ['x', 'y', 'z'])
        readers.saw(mount, `p${path}`, { reader: { ...reader, id: name }, version: 1, at: 1 });

    const portions = [readers.take(4), readers.take(7), readers.take(100), readers.take(100)];

    expect(portions.map(({ length }) => length)).toEqual([3, 6, 6, 0]);
  });

  it('are bounded in number: what finds no room is counted', () => {
    const readers = createReaders();
    for (let path = 0; path < 100_010; path += 1)
      readers.saw(mount, `p${path}`, { reader, version: 1, at: 1 });

    expect(readers.size).toBe(100_000);
    expect(readers.missed).toBe(10);
  });

  it('cost far less than a microsecond each', () => {
    const readers = createReaders();
    const paths = Array.from({ length: 1000 }, (_, index) => `orders/service-${index}/database`);
    const rounds = 300;
    for (const path of paths) readers.saw(mount, path, { reader, version: 1, at: 1 });
    const begun = performance.now();

    for (let round = 0; round < rounds; round += 1)
      for (const path of paths) readers.saw(mount, path, { reader, version: 1, at: round });

    // A hundred times of what it takes on an idle core would still pass here: this is against a mistake in kind.
    expect((performance.now() - begun) / (rounds * paths.length)).toBeLessThan(0.01);
  });
});
