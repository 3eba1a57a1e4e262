import { sql } from 'kysely';
import type { Tx } from '#platform';
import { pack, unpack } from '../src/journal/packed.ts';

interface Row {
  readonly scope: string;
  readonly path: string;
  readonly epoch: number;
  /** Hexadecimal; null: the record is gone. */
  readonly sealed: string | null;
}

/**
 * Runs `statement` with a table `journal_records` (scope, path, epoch, sealed), which has what is stored of each record in
 * a row and not packed with others. What the statement leaves in it is stored instead.
 */
export async function onRecords<T>(
  tx: Tx,
  statement: string,
): Promise<{ readonly rows: readonly T[]; readonly numAffectedRows?: bigint }> {
  await sql`create table journal_records (scope text, path text, epoch bigint, sealed bytea,
    primary key (scope, path))`.execute(tx);
  for (const { scope, path, epoch, sealed } of (await storedRecords(tx)).values())
    await sql`insert into journal_records values (${scope}, ${path}, ${epoch}, decode(${sealed}, 'hex'))`.execute(
      tx,
    );
  const result = await sql.raw<T>(statement).execute(tx);
  const { rows } = await sql<Row>`select scope, path, epoch, encode(sealed, 'hex') as sealed
    from journal_records`.execute(tx);
  await sql`truncate journal_changes; drop table journal_records`.execute(tx);
  await storeRecords(tx, rows);
  return result;
}

async function storedRecords(tx: Tx): Promise<ReadonlyMap<string, Row>> {
  const { rows } = await sql<{ epoch: number; packed: Uint8Array }>`
    select epoch, packed from journal_changes order by epoch, part`.execute(tx);
  const records = new Map<string, Row>();
  for (const { epoch, packed } of rows)
    for (const { scope, path, sealed } of unpack(Buffer.from(packed)))
      records.set(`${scope}\0${path}`, {
        scope,
        path,
        epoch,
        sealed: sealed === undefined ? null : Buffer.from(sealed, 'latin1').toString('hex'),
      });
  return records;
}

async function storeRecords(tx: Tx, rows: readonly Row[]): Promise<void> {
  for (const [index, { scope, path, epoch, sealed }] of rows.entries()) {
    const bytes = sealed === null ? undefined : Buffer.from(sealed, 'hex').toString('latin1');
    await sql`insert into journal_changes (epoch, part, packed)
      values (${epoch}, ${index + 1}, ${pack([{ scope, path, sealed: bytes }]).bytes})`.execute(tx);
  }
}
