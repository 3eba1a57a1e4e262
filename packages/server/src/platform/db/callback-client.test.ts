import { getHeapSpaceStatistics } from 'node:v8';
import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { openTestDb } from '../../../test-support/database.ts';
import type { Tx } from '../ports.ts';

const oldSpaceMb = (): number => {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'old_space');
  return (space?.space_used_size ?? 0) / 1e6;
};

it('lets what was read go with the young heap, so that a long read leaves no garbage behind', async () => {
  const { db, close } = await openTestDb([]);
  const read = async (tx: Tx): Promise<unknown> =>
    await sql`select n, repeat('x', 8000) as text from generate_series(1, 20) as n`.execute(tx);

  const grownMb = await db.read(async (tx) => {
    for (let round = 0; round < 50; round += 1) await read(tx);
    const before = oldSpaceMb();
    let most = 0;
    for (let round = 0; round < 1000; round += 1) {
      await read(tx);
      most = Math.max(most, oldSpaceMb() - before);
    }
    return most;
  });
  await close();

  // 160 MB were read.
  expect(grownMb).toBeLessThan(10);
});

it('takes callbacks, and fails as pg does', async () => {
  const { db, close } = await openTestDb([]);

  expect((await db.execute('select $1::int as n', [7])).rows).toEqual([{ n: 7 }]);
  await expect(db.execute('select nothing')).rejects.toMatchObject({ code: '42703' });
  await expect(db.read((tx) => sql`select 1 / 0`.execute(tx))).rejects.toMatchObject({
    cause: { code: '22012' },
  });
  await close();
});
