import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { AuditBatch, Link } from './batch.ts';
import { unpack } from './packed.ts';
import type { JournalStore, Moment, Part } from './store.ts';

interface MomentRow {
  epoch: number;
  clock: number;
  swept: number;
  mark: Uint8Array | null;
}

interface Tables {
  journal_moment: MomentRow & { state_key: Uint8Array | null };
  journal_sealed: { source: string; place: number; chain: Uint8Array };
}

/**
 * Of a page: a bound of count, which parts of usual size meet first, and one of size for large ones. Buffers of half a
 * megabyte are given back; those of 8 are mostly kept by the allocator.
 */
const maxParts = 64;
const maxPageBytes = 512 * 1024;
/** Whoever is further behind reads everything anew. */
const maxPartsSince = 20_000;
const maxBytesSince = 32 * 1024 * 1024;
/** Batches at once, into memory: a bound of count and one of size. */
const maxBatches = 2000;
const maxBatchesBytes = 1024 * 1024;

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
    const { starts, sizes } = cutsOf(changes.ends);
    // Under READ COMMITTED an update that waited for another looks at its condition again: only one replica moves on.
    // Named where it is the one of every write under load; see the platform's README.
    const { rows } = await sql`${batch === undefined ? sql`` : sql`/* prepared: journal.write */`}
      with moved as (
        update journal_moment
        set epoch = ${next.epoch}::bigint, clock = ${next.clock}::bigint, mark = ${markOf(next)}::bytea
        where ${isMoment(seen)}
        returning epoch
      ), changed as (
        insert into journal_changes (epoch, part, packed)
        select moved.epoch, part, substring(${changes.bytes}::bytea from start for size)
        from moved, unnest(${starts}::integer[], ${sizes}::integer[]) with ordinality as cut (start, size, part)
        on conflict (epoch, part) do update set packed = excluded.packed
      )${batch === undefined ? sql`` : sql`, audited as (${insertOf(batch)} from moved)`}
      select epoch from moved`.execute(tx);
    return rows.length === 1;
  },
  async since(tx, epoch) {
    const { rows } = await sql<MomentRow & { packed: string | null; whole: boolean }>`
      select journal_moment.epoch, clock, swept, mark, packed, whole
      from journal_moment, lateral (
        select
          encode(string_agg(packed, ''::bytea order by epoch, part)
            filter (where bytes <= ${maxBytesSince}), 'base64') as packed,
          count(*) <= ${maxPartsSince} and coalesce(max(bytes), 0) <= ${maxBytesSince} as whole
        from (
          select epoch, part, packed, sum(octet_length(packed)) over (order by epoch, part) as bytes
          from journal_changes where epoch > ${epoch}
          order by epoch, part limit ${maxPartsSince + 1}
        ) as changed
      ) as changes`.execute(tx);
    const [row] = rows;
    if (row === undefined) throw new Error('journal_moment has no row');
    const read = row.whole ? unpack(Buffer.from(row.packed ?? '', 'base64')) : undefined;
    return { moment: toMoment(row), changes: read?.isWhole === true ? read.changes : undefined };
  },
  async page(tx, after) {
    // As text: the driver would take bytes as hexadecimal digits.
    const { rows } = await sql<{ epoch: number; part: number; packed: string }>`
      select epoch, part, encode(packed, 'base64') as packed from (
        select *, sum(octet_length(packed)) over (order by epoch, part) as bytes from (
          select epoch, part, packed from journal_changes
          where (epoch, part) > (${after.epoch}, ${after.part})
          order by epoch, part limit ${maxParts}
        ) as next
      ) as summed
      where bytes - octet_length(packed) < ${maxPageBytes}
      order by epoch, part`.execute(tx);
    return rows.map((row) => ({ ...row, packed: Buffer.from(row.packed, 'base64') }));
  },
  async setSwept(tx, epoch) {
    await sql`update journal_moment set swept = ${epoch}::bigint where swept < ${epoch}`.execute(tx);
  },
  async rewrite(tx, parts) {
    const { starts, sizes } = cutsOf(endsOf(parts));
    await sql`
      with rewritten as (
        select epoch, part, substring(${Buffer.concat(parts.map(({ packed }) => packed))}::bytea
          from start for size) as packed
        from unnest(${parts.map(({ epoch }) => epoch)}::bigint[], ${parts.map(({ part }) => part)}::integer[],
          ${starts}::integer[], ${sizes}::integer[]) as rewritten (epoch, part, start, size)
      ), removed as (
        delete from journal_changes using rewritten
        where journal_changes.epoch = rewritten.epoch and journal_changes.part = rewritten.part
          and rewritten.packed = ''
      )
      update journal_changes set packed = rewritten.packed from rewritten
      where journal_changes.epoch = rewritten.epoch and journal_changes.part = rewritten.part
        and rewritten.packed <> ''`.execute(tx);
  },
  async vacuum(tx) {
    await sql`vacuum journal_changes`.execute(tx);
  },
  async newestBatch(tx) {
    const { rows } = await sql<{ id: number | null }>`select max(id) as id from journal_batches`.execute(tx);
    return rows[0]?.id ?? 0;
  },
  async hasUnsealed(tx, newest) {
    const { rows } = await sql<{ unsealed: boolean }>`
      select exists (select from journal_batches where place is null and id <= ${newest})
        or exists (select from journal_batches, journal_sealed
          where source = 'table' and journal_batches.place > journal_sealed.place
            and id <= ${newest}) as unsealed`.execute(tx);
    return rows[0]?.unsealed === true;
  },
  async placedTo(tx) {
    const { rows } = await sql<Link>`
      (select place, chain from journal_sealed where source = 'table')
      union all (select place, chain from journal_batches where place is not null order by place desc limit 1)
      order by place desc limit 1`.execute(tx);
    const [row] = rows;
    if (row === undefined) throw new Error('journal_sealed has no row for the table');
    return row;
  },
  async placedSince(tx, place) {
    const { rows } = await sql<Link & { lines: number }>`
      select place, chain, (select sum(lines)::bigint from journal_batches where place > ${place}) as lines
      from journal_batches where place > ${place} order by place desc limit 1`.execute(tx);
    return rows[0];
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

function insertOf({ at, lines, body, place, chain }: AuditBatch & Partial<Link>) {
  return sql`insert into journal_batches (at, lines, body, place, chain)
    select ${at}::bigint, ${lines}::integer, ${asBuffer(body)}::bytea, ${place ?? null}::bigint,
      ${chain === undefined ? null : asBuffer(chain)}::bytea`;
}

/**
 * Where each part begins, from 1 on, and its size. All parts travel as one value that is cut in the database: an array of
 * bytes would travel as quoted hexadecimal text.
 */
function cutsOf(ends: readonly number[]) {
  const starts = ends.map((_, index) => (ends[index - 1] ?? 0) + 1);
  return { starts, sizes: ends.map((end, index) => end + 1 - (starts[index] ?? 1)) };
}

function endsOf(parts: readonly Part[]): readonly number[] {
  let end = 0;
  return parts.map(({ packed }) => {
    end += packed.length;
    return end;
  });
}

/** The driver takes Buffers for bytes; a plain Uint8Array inside an array would be written as text. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
