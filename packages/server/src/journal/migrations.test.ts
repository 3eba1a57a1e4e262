import { sql } from 'kysely';
import { expect, it } from 'vitest';
import { openTestDb } from '../../test-support/database.ts';
import { journalMigrations } from './migrations.ts';
import { unpack } from './packed.ts';
import { journalStore } from './store.pg.ts';
import { beforeAll } from './store.ts';

it('brings records of the table with a row for each to where changes are', async () => {
  const test = await openTestDb(journalMigrations.slice(0, 1));
  const { db } = test;
  await db.write((tx) =>
    sql`insert into journal_records (scope, path, epoch, sealed)
      select 'env:ä/' || n % 3, 'päth/' || n, n, case when n % 7 = 0 then null
        else decode(repeat('0aff', case when n = 50 then 1000000 else 10 + n % 400 end), 'hex') end
      from generate_series(1, 2000) as n`.execute(tx),
  );
  await db.write((tx) => sql`update journal_moment set epoch = 2000`.execute(tx));

  await db.migrate(journalMigrations);

  const found = new Map<string, number>();
  for (let after = beforeAll; ; ) {
    const page = await db.read((tx) => journalStore.page(tx, after));
    const last = page.at(-1);
    if (last === undefined) break;
    for (const { packed } of page)
      for (const { scope, path, sealed } of unpack(packed).changes) {
        expect(sealed?.subarray(0, 2)).toEqual(Buffer.of(0x0a, 0xff));
        found.set(`${scope} ${path}`, sealed?.length ?? -1);
      }
    after = last;
  }
  const expected = Array.from({ length: 2000 }, (_, n) => n + 1)
    .filter((n) => n % 7 !== 0)
    .map((n) => [`env:ä/${n % 3} päth/${n}`, n === 50 ? 2_000_000 : 2 * (10 + (n % 400))] as const);
  expect(found).toEqual(new Map(expected));
  expect(await db.read((tx) => journalStore.moment(tx))).toMatchObject({ epoch: 2000, swept: 2000 });
  await test.close();
});
