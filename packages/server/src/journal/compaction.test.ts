import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Db } from '#platform';
import { fixedClock } from '../../test-support/fakes.ts';
import { get, openWorld, put, remove, type World } from './journal.fixture.ts';
import { unpack } from './packed.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

/** A little more: the clock that never goes back may be a little behind. */
const hour = 3_700_000;

/** All changes that are stored: `path` of a value, `-path` of an end. */
async function stored(): Promise<readonly string[]> {
  const { rows } = await world.db.read((tx) =>
    sql<{ packed: Uint8Array }>`select packed from journal_changes order by epoch, part`.execute(tx),
  );
  return rows
    .flatMap(({ packed }) => unpack(Buffer.from(packed)).changes)
    .map(({ path, sealed }) => (sealed === undefined ? `-${path}` : path));
}

/** Fails one of the next writes: nothing of it happened, or all of it did and nobody hears of it. */
function faulty(db: Db): Db & { fail(at: number, mode: 'before' | 'after'): void } {
  let left = 0;
  let when: 'before' | 'after' = 'before';
  return {
    ...db,
    fail(at, mode) {
      left = at;
      when = mode;
    },
    async write(work) {
      left -= 1;
      if (left !== 0) return await db.write(work);
      if (when === 'after') await db.write(work);
      throw new Error('the write failed');
    },
  };
}

describe('compaction', () => {
  it('takes out what does not count since an hour, and leaves the rest', async () => {
    const wall = fixedClock();
    const journal = await world.open({ clock: wall });
    for (const path of ['a', 'b', 'c', 'a', 'a']) await put(journal, path, `some ${path}`);
    await remove(journal, 'b');
    await journal.archive();
    await put(journal, 'c', 'a second time');
    await journal.archive();
    expect(await stored()).toEqual(['a', 'b', 'c', 'a', 'a', '-b', 'c']);

    wall.advance(hour);
    await journal.archive();
    expect(await stored()).toEqual(['a', 'c']);
    await remove(journal, 'c');
    await journal.archive();
    expect(await stored()).toEqual(['a', 'c', '-c']);
    // The value was stored more than an hour ago, its end was not.
    wall.advance(hour);
    await journal.archive();
    expect(await stored()).toEqual(['a', '-c']);
    wall.advance(hour);
    await journal.archive();
    await journal.close();

    expect(await stored()).toEqual(['a']);
    const again = await world.open();
    expect([await get(again, 'a'), await get(again, 'b')]).toEqual(['some a', undefined]);
    expect(again.findings()).toEqual([]);
  });

  it('changes no record, whatever was written and whichever of its writes failed', async () => {
    const path = fc.constantFrom('a', 'b', 'c', 'd/e');
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ put: path, size: fc.integer({ min: 0, max: 20_000 }) }) },
      { weight: 3, arbitrary: fc.record({ remove: path }) },
      {
        weight: 2,
        arbitrary: fc.record({
          fail: fc.integer({ min: 0, max: 3 }),
          mode: fc.constantFrom('before' as const, 'after' as const),
        }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.boolean(), async (steps, alone) => {
        await world.reset();
        const wall = fixedClock();
        const db = faulty(world.db);
        const journal = await world.open({ clock: wall, db, alone });
        const model = new Map<string, string>();
        for (const [index, each] of steps.entries()) {
          if ('put' in each) {
            const text = `${index}:${'x'.repeat(each.size)}`;
            await put(journal, each.put, text);
            model.set(each.put, text);
          } else if ('remove' in each) {
            await remove(journal, each.remove);
            model.delete(each.remove);
          } else {
            wall.advance(hour);
            db.fail(each.fail, each.mode);
            await journal.archive().catch(() => undefined);
            db.fail(0, 'before');
          }
        }
        await journal.close();

        const again = await world.open();
        expect(again.status().records).toBe(model.size);
        for (const [name, text] of model) expect(await get(again, name)).toBe(text);
        expect(again.findings()).toEqual([]);
      }),
      { numRuns: 10 },
    );
  });

  it('keeps the table of a server that is alone from growing while the same records are written', async () => {
    const journal = await world.open();
    const value = 'x'.repeat(1024 * 1024);
    const sizeMb = async (): Promise<number> => {
      const { rows } = await world.db.read((tx) =>
        sql<{ mb: number }>`select pg_total_relation_size('journal_changes')::float8 / 1e6 as mb`.execute(tx),
      );
      return rows[0]?.mb ?? 0;
    };
    for (let round = 0; round < 50; round += 1) {
      await put(journal, `r/${round % 3}`, value);
      if (round % 5 === 0) await journal.archive();
    }
    // A pass after each 16 MB, and what comes before the next one is called for.
    expect(await sizeMb()).toBeLessThan(40);
  });
});
