import { isFault, utf8 } from '@sallyport/formats';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Db } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { countingIds, fixedClock, inTx, silentLog } from '../../test-support/fakes.ts';
import { demoMigration, demoTable, newSigner, putItem, removeItem } from './demo.fixture.ts';
import { createLedger, type Ledger, ledgerMigrations } from './index.ts';

/**
 * A database administrator with bad intentions: changes one thing behind the ledger's back, anything, anywhere.
 * `verify` must find it.
 */
let test: TestDb;
let db: Db;
let ledger: Ledger;
const signer = newSigner();
const tables = [
  'ledger_entries',
  'ledger_tiles',
  'ledger_checkpoints',
  'ledger_head',
  'ledger_outbox',
  'demo_items',
] as const;

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
}
let columns: readonly Column[] = [];
const rowCounts = new Map<string, number>();

const execute = (statement: string): Promise<unknown> => inTx(db, (tx) => sql.raw(statement).execute(tx));

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, demoMigration]);
  db = test.db;
  ledger = createLedger({
    db,
    clock: fixedClock(),
    ids: countingIds(),
    signer,
    origin: 'log.example/ledger',
    log: silentLog,
  });
  for (let batch = 0; batch < 6; batch += 1) {
    await inTx(db, async (tx) => {
      for (let i = 0; i < 50; i += 1) {
        if (i % 3 === 0) await ledger.appendEvidence(tx, utf8(`evidence ${batch}/${i}`));
        else await putItem(ledger, tx, `item-${(i * 7) % 20}`, `value ${batch}/${i}`);
      }
      if (batch === 4) await removeItem(ledger, tx, 'item-1');
    });
    await ledger.integrate();
  }
  // Still pending, and each the last word on its resource.
  for (const name of ['item-1', 'item-2', 'late'])
    await inTx(db, (tx) => putItem(ledger, tx, name, 'pending'));
  const found = await db.read((tx) =>
    sql<Column>`select table_name as table, column_name as name, data_type as type
      from information_schema.columns where table_schema = current_schema() and table_name = any(${[...tables]}::text[])
      order by 1, 2`.execute(tx),
  );
  columns = found.rows;
  for (const table of tables) {
    await execute(`create table saved_${table} as select * from ${table}`);
    const count = await db.read((tx) =>
      sql.raw<{ n: number }>(`select count(*) as n from ${table}`).execute(tx),
    );
    rowCounts.set(table, Number(count.rows[0]?.n));
  }
});
afterAll(() => test.close());

async function restore(table: string): Promise<void> {
  await execute(`truncate ${table}`);
  await execute(`insert into ${table} overriding system value select * from saved_${table}`);
}

/** What `verify` says of a database changed by `statement`; undefined when the database's own checks refuse the change. */
async function verdict(table: string, statement: string): Promise<'found' | 'not found' | undefined> {
  try {
    const result = (await execute(statement)) as { numAffectedRows?: bigint };
    if (result.numAffectedRows === 0n) return undefined;
  } catch {
    return undefined;
  }
  try {
    const report = await ledger.verify([demoTable]);
    return report.ok ? 'not found' : 'found';
  } catch (error) {
    if (isFault(error) && error.kind === 'integrity') return 'found';
    throw error;
  } finally {
    await restore(table);
  }
}

const rowAt = (table: string, row: number): string =>
  `ctid = (select ctid from ${table} order by ctid offset ${row % (rowCounts.get(table) ?? 1)} limit 1)`;

/** An expression that differs from the column's value. */
function changed(column: Column, at: number, delta: number): string {
  const name = column.name;
  switch (column.type) {
    case 'bytea':
      return delta === 7
        ? `substring(${name} for greatest(length(${name}) - 32, 0))`
        : `set_byte(${name}, ${at} % length(${name}), get_byte(${name}, ${at} % length(${name})) # ${1 << (delta % 8)})`;
    case 'text':
      return `overlay(coalesce(${name}, '') placing chr(${97 + (delta % 26)}) from 1 + ${at} % greatest(length(${name}), 1) for ${delta % 2})`;
    case 'boolean':
      return `not ${name}`;
    default:
      return `${name} + ${delta % 2 === 0 ? delta + 1 : -delta}`;
  }
}

describe('verify', () => {
  it('passes what nobody touched', async () => {
    const report = await ledger.verify([demoTable]);
    expect(report).toMatchObject({ ok: true, pending: 3, checkpoints: 6, findings: [] });
    expect(report.treeSize).toBe(301);
    expect(columns.length).toBeGreaterThanOrEqual(18);
  });

  it('finds any change of any column of any row', async () => {
    // The order of pending entries is not promised before they have a place; the order on one resource is, below.
    const targets = columns.filter((column) => column.table !== 'ledger_outbox' || column.name !== 'seq');
    const tried = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...targets),
        fc.nat(1000),
        fc.nat(10_000),
        fc.integer({ min: 1, max: 25 }),
        async (column, row, at, delta) => {
          const to = changed(column, at, delta);
          const result = await verdict(
            column.table,
            `update ${column.table} set ${column.name} = ${to}
              where ${rowAt(column.table, row)} and ${column.name} is distinct from ${to}`,
          );
          if (result === 'found') tried.add(`${column.table}.${column.name}`);
          expect(result).not.toBe('not found');
        },
      ),
      { numRuns: 150 },
    );
    // Of columns with a check that allows one value only, the database refuses every change.
    expect(tried.size).toBeGreaterThan(targets.length - 5);
  });

  it('finds values of two rows that were swapped, and rows that are gone', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('ledger_entries', 'demo_items'),
        fc.nat(1000),
        fc.nat(1000),
        async (table, a, b) => {
          fc.pre(a % (rowCounts.get(table) ?? 1) !== b % (rowCounts.get(table) ?? 1));
          const column = table === 'demo_items' ? 'value' : 'body';
          const swap = `update ${table} t set ${column} = (select ${column} from ${table} o where o.ctid <> t.ctid and
          (o.${rowAt(table, a)} or o.${rowAt(table, b)})) where t.${rowAt(table, a)} or t.${rowAt(table, b)}`;
          expect(await verdict(table, swap)).toBe('found');
        },
      ),
      { numRuns: 15 },
    );
    for (const table of tables) {
      if (table === 'ledger_checkpoints') continue;
      for (const row of [0, 1, 2]) {
        if (row >= (rowCounts.get(table) ?? 0)) continue;
        expect(await verdict(table, `delete from ${table} where ${rowAt(table, row)}`)).toBe('found');
      }
    }
    expect(await verdict('ledger_checkpoints', 'delete from ledger_checkpoints where tree_size = 301')).toBe(
      'found',
    );
  });

  it('finds a row, or a signature, that was added', async () => {
    const added = [
      ['ledger_entries', `insert into ledger_entries values (301, 'evd_x', null, 'x')`],
      ['ledger_entries', `insert into ledger_entries values (9007199254740991, 'evd_x', null, 'x')`],
      [
        'ledger_tiles',
        `insert into ledger_tiles select 1, 7, hashes from ledger_tiles where level = 0 limit 1`,
      ],
      [
        'ledger_tiles',
        `insert into ledger_tiles select 5, 0, hashes from ledger_tiles where level = 0 limit 1`,
      ],
      [
        'ledger_checkpoints',
        'insert into ledger_checkpoints select 302, note from ledger_checkpoints limit 1',
      ],
      ['ledger_checkpoints', 'insert into ledger_checkpoints select 3, note from ledger_checkpoints limit 1'],
      // A signature by nobody we know: readers pass over it, but we never wrote it.
      [
        'ledger_checkpoints',
        `update ledger_checkpoints set note = note || E'— witness.example AAAAAAAAAAAA\\n'`,
      ],
      ['ledger_outbox', `insert into ledger_outbox (entry_id, body, leaf_hash) values ('evt_x', 'x', 'y')`],
      ['demo_items', `insert into demo_items values ('new', 'x', 1)`],
    ] as const;
    for (const [table, statement] of added) expect(await verdict(table, statement)).toBe('found');
  });

  it('finds an older pending state that was put in place of a newer one', async () => {
    await inTx(db, (tx) => putItem(ledger, tx, 'late', 'newer'));
    const swapped =
      await verdictKeeping(`with moved as (delete from ledger_outbox where resource = 'item/late' returning *)
      insert into ledger_outbox overriding system value
      select -seq, entry_id, resource, body, leaf_hash, refused from moved`);
    expect(swapped).toContain('state_differs');
  });

  it('finds, with a checkpoint kept elsewhere, that the whole database was set back', async () => {
    const kept = await ledger.checkpoint();
    await execute('delete from ledger_entries where leaf_index >= 51');
    await execute('delete from ledger_checkpoints where tree_size > 50');
    await ledger.verify([]);
    const report = await ledger.verify([], undefined, [kept]);
    expect(report.findings.map((finding) => finding.code)).toContain('log_set_back');
  });

  async function verdictKeeping(statement: string): Promise<string[]> {
    await execute(statement);
    return (await ledger.verify([demoTable])).findings.map((finding) => finding.code);
  }
});
