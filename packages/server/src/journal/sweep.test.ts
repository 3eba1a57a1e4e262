import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { journalMigrations } from './migrations.ts';
import { journalStore } from './store.pg.ts';
import { createSweep } from './sweep.ts';

let test: TestDb;
beforeAll(async () => {
  test = await openTestDb(journalMigrations);
});
afterAll(() => test.close());

const execute = (statement: string) =>
  test.db.statement((tx) => sql.raw<{ n: number }>(statement).execute(tx));
const number = async (query: string): Promise<number> =>
  (await execute(`select (${query})::integer as n`)).rows[0]?.n ?? -1;

describe('sweeping', () => {
  it('removes marks up to the epoch of an hour before, in parts, and says up to where', async () => {
    await execute(`insert into journal_records (scope, path, epoch, sealed)
      select 's', 'gone/' || n, n, null from generate_series(1, 12000) as n`);
    await execute(`insert into journal_records (scope, path, epoch, sealed) values ('s', 'there', 5, 'x')`);
    const sweep = createSweep(test.db, journalStore, false);

    await sweep.some(11_000, 1_000_000);
    await sweep.some(11_500, 1_000_000 + 3_599_000);
    expect(await number('select count(*) from journal_records')).toBe(12_001);
    await sweep.some(12_000, 1_000_000 + 3_600_000);

    expect(await number('select count(*) from journal_records')).toBe(1001);
    expect(await number('select min(epoch) from journal_records where sealed is null')).toBe(11_001);
    expect(await number('select swept from journal_moment')).toBe(11_000);
  });

  it('keeps an embedded table from growing for ever under changes of the same records', async () => {
    await execute(`truncate journal_records`);
    await execute(`insert into journal_records (scope, path, epoch, sealed)
      select 's', 'r/' || n, 1, decode(repeat('ab', 300), 'hex') from generate_series(1, 100) as n`);
    const sweep = createSweep(test.db, journalStore, true);
    let now = 0;
    const change = async (): Promise<number> => {
      for (let round = 0; round < 120; round += 1) {
        await execute('update journal_records set epoch = epoch + 1');
      }
      await sweep.some(1, now);
      now += 3_600_000;
      return await number(`pg_relation_size('journal_records')`);
    };
    await change();
    const second = await change();
    for (let round = 0; round < 4; round += 1) await change();

    expect(await change()).toBeLessThanOrEqual(second * 1.5);
  });
});
