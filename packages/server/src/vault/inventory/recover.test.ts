import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openShop, type Shop } from '../environments/shop.fixture.ts';
import { createReaders } from './readers.ts';
import { createSightings } from './sightings.ts';
import { readerStore } from './store.pg.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

const of = async (path: string, mount = 'dev/') =>
  await shop.testDb.db.read((tx) => readerStore.readersOf(tx, shop.mountId(mount), [path]));

/** A process that begins after another one has gone, alone with the database. */
const nextProcess = (replica: string) =>
  createSightings({
    journal: shop.journal,
    db: shop.testDb.db,
    clock: shop.clock,
    readers: createReaders(),
    replica,
    alone: true,
  });

describe('reads that were not stored before a crash', () => {
  it('come back from the audit, with reader, version and time, and are not counted twice', async () => {
    const token = await shop.tokenFor('path "*" { capabilities = ["read"] }', ['shop/dev']);
    await shop.vault.sightings.begin();
    await shop.request('POST', 'dev/data/a', { body: { data: { password: 'v-Alue-1-xQ' } } });
    await shop.request('GET', 'dev/data/a', { token });
    await shop.vault.sightings.store();
    shop.clock.advance(60_000);
    await shop.request('POST', 'dev/data/a', { body: { data: { password: 'v-Alue-2-xQ' } } });
    await shop.request('GET', 'dev/data/a', { token });
    await shop.request('GET', 'dev/data/a', { token });
    await shop.request('PUT', 'dev1/b', { body: { password: 'v-Alue-3-xQ' } });
    await shop.request('GET', 'dev1/b', { token });
    await shop.request('GET', 'dev/data/nothing', { token });
    await shop.request('GET', 'dev/metadata/a', { token });
    await shop.request('LIST', 'dev/metadata', { token });
    shop.clock.advance(60_000);

    // What the first process has in memory is gone with it: it never stores again.
    const next = nextProcess('next');
    await next.begin();
    await next.recover();
    const [a, b] = [await of('a'), await of('b', 'dev1/')];
    await next.recover();
    await nextProcess('third').recover();

    expect(a).toMatchObject([{ version: 2, count: 3, reader: { name: 'token' } }]);
    expect(b).toMatchObject([{ version: 0, count: 1 }]);
    expect(await of('a')).toEqual(a);
    expect(await of('nothing')).toEqual([]);
  });

  it('of another replica wait until it has surely stopped', async () => {
    await shop.vault.sightings.store();
    await shop.request('GET', 'dev/data/a');
    const other = createSightings({
      journal: shop.journal,
      db: shop.testDb.db,
      clock: shop.clock,
      readers: createReaders(),
      replica: 'other',
      alone: false,
    });

    const early = await other.recover();
    shop.clock.advance(300_000);
    const late = await other.recover();

    expect(early).toBe(0);
    expect(late).toBeGreaterThan(0);
    expect((await of('a')).map(({ reader }) => reader.name).sort()).toEqual(['root', 'token']);
  });

  it('are forgotten with their mount, and after a long time', async () => {
    expect(await of('a')).toHaveLength(2);

    shop.clock.advance(500 * 24 * 3600_000);
    await shop.vault.sightings.tidy();

    expect(await of('a')).toEqual([]);
  });
});
