import { sql } from 'kysely';
import type { Tx } from '#platform';

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
    for (const record of unpacked(Buffer.from(packed), epoch))
      records.set(`${record.scope}\0${record.path}`, record);
  return records;
}

async function storeRecords(tx: Tx, rows: readonly Row[]): Promise<void> {
  for (const [index, { scope, path, epoch, sealed }] of rows.entries()) {
    const packed = Buffer.concat([
      sized(Buffer.from(scope)),
      sized(Buffer.from(path)),
      sealed === null ? Buffer.of(255, 255, 255, 255) : sized(Buffer.from(sealed, 'hex')),
    ]);
    await sql`insert into journal_changes (epoch, part, packed) values (${epoch}, ${index + 1}, ${packed})`.execute(
      tx,
    );
  }
}

/** By the journal's README, "Bytes", and not by its code. */
function* unpacked(packed: Buffer, epoch: number): Generator<Row> {
  let at = 0;
  const field = (): Buffer | undefined => {
    const size = packed.readInt32BE(at);
    const bytes = size < 0 ? undefined : packed.subarray(at + 4, at + 4 + size);
    at += 4 + Math.max(0, size);
    return bytes;
  };
  while (at < packed.length) {
    const [scope, path, sealed] = [field(), field(), field()];
    yield { scope: `${scope}`, path: `${path}`, epoch, sealed: sealed?.toString('hex') ?? null };
  }
}

function sized(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}
