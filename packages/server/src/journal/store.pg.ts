import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { AuditBatch } from './batch.ts';
import { unpack } from './packed.ts';
import type { Change } from './record-set.ts';
import type { JournalStore, Moment } from './store.ts';

interface MomentRow {
  epoch: number;
  clock: number;
  swept: number;
  mark: Uint8Array | null;
}

interface Tables {
  journal_moment: MomentRow & { state_key: Uint8Array | null };
  journal_records: { scope: string; path: string; epoch: number; sealed: Uint8Array | null };
  journal_sealed: { source: string; place: number; chain: Uint8Array };
}

/**
 * Pages are ranges of the table's blocks: no index is walked, and the rows come as they lie on the disk. Half a megabyte
 * each: buffers of 8 are mostly kept by the allocator, 330 MB of them after the start of a server with 300,000 records.
 */
const blocksPerPage = 64;
/** Larger values lie outside of their row, so that blocks do not bound how much they are. */
const largestInPageBytes = 1900;
/** Whoever is further behind reads everything anew. */
const maxChangesSince = 20_000;
const maxBytesSince = 32 * 1024 * 1024;
/** Batches at once, into memory: a bound of count and one of size. */
const maxBatches = 2000;
const maxBatchesBytes = 16 * 1024 * 1024;

/** See packed.ts. One value instead of three columns of thousands of rows: a tenth of the time on both engines. */
const packedColumns = sql`
  int4send(octet_length(scope)) || convert_to(scope, 'UTF8') || int4send(octet_length(path)) || convert_to(path, 'UTF8')`;

export const journalStore: JournalStore = {
  async moment(tx) {
    return toMoment(await momentQuery(tx).executeTakeFirstOrThrow());
  },
  async hold(tx) {
    return toMoment(await momentQuery(tx).forUpdate().executeTakeFirstOrThrow());
  },
  async stateKey(tx) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('journal_moment')
      .select('state_key')
      .executeTakeFirstOrThrow();
    return row.state_key ?? undefined;
  },
  async setStateKey(tx, sealed) {
    await tablesOf<Tables>(tx)
      .updateTable('journal_moment')
      .set({ state_key: asBuffer(sealed) })
      .execute();
  },
  async appendIfCurrent(tx, { at, lines, body }, seen) {
    const { rows } = await sql`
      insert into journal_batches (at, lines, body)
      select ${at}::bigint, ${lines}::integer, ${asBuffer(body)}::bytea from journal_moment where ${isMoment(seen)}
      returning id`.execute(tx);
    return rows.length === 1;
  },
  async writeIfCurrent(tx, changes, batch, seen, next) {
    const { paths, scopes, starts, sizes, bytes } = columnsOf(changes);
    // Under READ COMMITTED an update that waited for another looks at its condition again: only one replica moves on.
    const { rows } = await sql`
      with moved as (
        update journal_moment
        set epoch = ${next.epoch}::bigint, clock = ${next.clock}::bigint, mark = ${markOf(next)}::bytea
        where ${isMoment(seen)}
        returning epoch
      ), changed as (
        insert into journal_records (scope, path, epoch, sealed)
        select scope, path, moved.epoch, case when size >= 0 then substring(${bytes}::bytea from start for size) end
        from moved, unnest(${scopes}::text[], ${paths}::text[], ${starts}::integer[], ${sizes}::integer[])
          as changed (scope, path, start, size)
        on conflict (scope, path) do update set epoch = excluded.epoch, sealed = excluded.sealed
      )${batch === undefined ? sql`` : sql`, audited as (${insertOf(batch)} from moved)`}
      select epoch from moved`.execute(tx);
    return rows.length === 1;
  },
  async since(tx, epoch) {
    const { rows } = await sql<MomentRow & { packed: string | null; whole: boolean }>`
      select journal_moment.epoch, clock, swept, mark, packed, whole
      from journal_moment, lateral (
        select
          encode(string_agg(
            ${packedColumns} || int4send(coalesce(octet_length(sealed), -1)) || coalesce(sealed, ''), ''::bytea
          ) filter (where bytes <= ${maxBytesSince}), 'base64') as packed,
          count(*) <= ${maxChangesSince} and coalesce(max(bytes), 0) <= ${maxBytesSince} as whole
        from (
          select scope, path, sealed,
            sum(coalesce(octet_length(sealed), 0)) over (order by journal_records.epoch, scope, path) as bytes
          from journal_records where journal_records.epoch > ${epoch}
          limit ${maxChangesSince + 1}
        ) as changed
      ) as packed`.execute(tx);
    const [row] = rows;
    if (row === undefined) throw new Error('journal_moment has no row');
    const changes = row.whole ? unpack(Buffer.from(row.packed ?? '', 'base64')).changes : undefined;
    return { moment: toMoment(row), changes };
  },
  async pages(tx) {
    const { rows } = await sql<{ blocks: number }>`
      select (pg_relation_size('journal_records') / current_setting('block_size')::integer)::integer as blocks`.execute(
      tx,
    );
    return Math.ceil((rows[0]?.blocks ?? 0) / blocksPerPage);
  },
  async page(tx, number) {
    const from = `(${number * blocksPerPage},0)`;
    const to = `(${(number + 1) * blocksPerPage},0)`;
    const { rows } = await sql<{ packed: string | null }>`
      select encode(string_agg(
        ${packedColumns} || case when octet_length(sealed) <= ${largestInPageBytes}::integer
          then int4send(octet_length(sealed)) || sealed
          else int4send(-2 - octet_length(sealed)) end, ''::bytea), 'base64') as packed
      from journal_records
      where sealed is not null and ctid >= ${from}::tid and ctid < ${to}::tid`.execute(tx);
    return unpack(Buffer.from(rows[0]?.packed ?? '', 'base64'));
  },
  async sealed(tx, scope, path) {
    const { sealed } = await tablesOf<Tables>(tx)
      .selectFrom('journal_records')
      .select('sealed')
      .where('scope', '=', scope)
      .where('path', '=', path)
      .executeTakeFirstOrThrow();
    return { scope, path, sealed: sealed === null ? undefined : asBuffer(sealed).toString('latin1') };
  },
  async sweep(tx, epoch, limit) {
    await sql`update journal_moment set swept = ${epoch}::bigint where swept < ${epoch}`.execute(tx);
    const { rows } = await sql<{ count: number }>`
      with removed as (
        delete from journal_records
        where sealed is null and epoch <= ${epoch} and (scope, path) in (
          select scope, path from journal_records where sealed is null and epoch <= ${epoch} limit ${limit}
        )
        returning 1
      )
      select count(*)::integer as count from removed`.execute(tx);
    return rows[0]?.count ?? 0;
  },
  async hasPending(tx) {
    const { rows } = await sql<{ pending: boolean }>`
      select exists (select from journal_batches where place is null) as pending`.execute(tx);
    return rows[0]?.pending === true;
  },
  async vacuum(tx) {
    await sql`vacuum journal_records`.execute(tx);
  },
  async takePending(tx) {
    const { rows } = await sql<{ id: number } & AuditBatch>`
      select id, at, lines, body from (
        select *, sum(octet_length(body)) over (order by id) as bytes from (
          select id, at, lines, body from journal_batches where place is null order by id limit ${maxBatches}
        ) as pending
      ) as summed
      where bytes - octet_length(body) < ${maxBatchesBytes}
      order by id`.execute(tx);
    return rows;
  },
  async place(tx, batches) {
    await sql`
      update journal_batches
      set place = placed.place, chain = substring(${Buffer.concat(batches.map(({ chain }) => chain))}::bytea
        from (32 * (placed.number - 1) + 1)::integer for 32)
      from unnest(${batches.map(({ id }) => id)}::bigint[], ${batches.map(({ place }) => place)}::bigint[])
        with ordinality as placed (id, place, number)
      where journal_batches.id = placed.id`.execute(tx);
  },
  async listPlaced(tx, afterPlace) {
    const { rows } = await sql<{ place: number; chain: Uint8Array } & AuditBatch>`
      select place, chain, at, lines, body from (
        select *, sum(octet_length(body)) over (order by place) as bytes from (
          select place, chain, at, lines, body from journal_batches
          where place > ${afterPlace} order by place limit ${maxBatches}
        ) as placed
      ) as summed
      where bytes - octet_length(body) < ${maxBatchesBytes}
      order by place`.execute(tx);
    return rows;
  },
  async sealedTo(tx, source) {
    return await sealedQuery(tx, source).executeTakeFirstOrThrow();
  },
  async holdSealedTo(tx, source) {
    return await sealedQuery(tx, source).forUpdate().executeTakeFirstOrThrow();
  },
  async setSealedTo(tx, source, { place, chain }) {
    await tablesOf<Tables>(tx)
      .updateTable('journal_sealed')
      .set({ place, chain: asBuffer(chain) })
      .where('source', '=', source)
      .execute();
  },
};

type Tx = Parameters<JournalStore['moment']>[0];

function momentQuery(tx: Tx) {
  return tablesOf<Tables>(tx).selectFrom('journal_moment').select(['epoch', 'clock', 'swept', 'mark']);
}

function sealedQuery(tx: Tx, source: string) {
  return tablesOf<Tables>(tx)
    .selectFrom('journal_sealed')
    .select(['place', 'chain'])
    .where('source', '=', source);
}

function toMoment({ epoch, clock, swept, mark }: MomentRow): Moment {
  return { epoch, clock, swept, mark: mark ?? undefined };
}

/** The mark has a random part: a history that was put back and went on differently has the epoch, but not the mark. */
function isMoment(seen: Moment) {
  return sql`journal_moment.epoch = ${seen.epoch} and journal_moment.mark is not distinct from ${markOf(seen)}::bytea`;
}

function markOf({ mark }: Moment): Buffer | null {
  return mark === undefined ? null : asBuffer(mark);
}

function insertOf({ at, lines, body }: AuditBatch) {
  return sql`insert into journal_batches (at, lines, body)
    select ${at}::bigint, ${lines}::integer, ${asBuffer(body)}::bytea`;
}

/** All sealed bytes as one value, cut apart in the database: an array of bytes would travel as quoted hexadecimal text. */
function columnsOf(changes: readonly Change[]) {
  let start = 1;
  const starts: number[] = [];
  const sizes: number[] = [];
  for (const { sealed } of changes) {
    starts.push(start);
    sizes.push(sealed?.length ?? -1);
    start += sealed?.length ?? 0;
  }
  return {
    scopes: changes.map(({ scope }) => scope),
    paths: changes.map(({ path }) => path),
    starts,
    sizes,
    bytes: Buffer.from(changes.map(({ sealed }) => sealed ?? '').join(''), 'latin1'),
  };
}

/** The driver takes Buffers for bytes; a plain Uint8Array inside an array would be written as text. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
