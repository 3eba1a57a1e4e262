import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { JournalStore, Moment } from './store.ts';
import type { Change } from './turn.ts';

interface Tables {
  journal_moment: { one: boolean; epoch: number; clock: number };
  journal_records: { scope: string; path: string; epoch: number; sealed: Uint8Array | null };
  journal_batches: { id: number; lines: number; body: Uint8Array; place: number | null };
  journal_sealed: { source: string; place: number; chain: Uint8Array };
}

export const journalStore: JournalStore = {
  async moment(tx) {
    return await tablesOf<Tables>(tx)
      .selectFrom('journal_moment')
      .select(['epoch', 'clock'])
      .executeTakeFirstOrThrow();
  },
  async hold(tx) {
    return await tablesOf<Tables>(tx)
      .selectFrom('journal_moment')
      .select(['epoch', 'clock'])
      .forUpdate()
      .executeTakeFirstOrThrow();
  },
  async appendIfCurrent(tx, { lines, body }, epoch) {
    const { rows } = await sql<{ id: number }>`
      insert into journal_batches (lines, body)
      select ${lines}::integer, ${asBuffer(body)}::bytea from journal_moment where epoch = ${epoch}
      returning id`.execute(tx);
    return rows.length === 1;
  },
  async append(tx, { lines, body }) {
    await sql`insert into journal_batches (lines, body) values (${lines}, ${asBuffer(body)})`.execute(tx);
  },
  async write(tx, changes, next: Moment) {
    await sql`
      insert into journal_records (scope, path, epoch, sealed)
      select scope, path, ${next.epoch}::bigint, sealed
      from unnest(
        ${changes.map((change) => change.scope)}::text[],
        ${changes.map((change) => change.path)}::text[],
        ${changes.map((change) => (change.sealed === undefined ? null : asBuffer(change.sealed)))}::bytea[]
      ) as changed (scope, path, sealed)
      on conflict (scope, path) do update set epoch = excluded.epoch, sealed = excluded.sealed`.execute(tx);
    await sql`
      update journal_moment
      set epoch = ${next.epoch}::bigint, clock = greatest(clock, ${next.clock}::bigint)`.execute(tx);
  },
  async page(tx, after, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('journal_records')
      .select(['scope', 'path', 'sealed'])
      .where('sealed', 'is not', null)
      .$if(after !== undefined, (query) =>
        query.where(sql<boolean>`(scope, path) > (${after?.scope}, ${after?.path})`),
      )
      .orderBy('scope')
      .orderBy('path')
      .limit(limit)
      .execute();
    return rows.map(toChange);
  },
  async changedSince(tx, epoch) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('journal_records')
      .select(['scope', 'path', 'sealed'])
      .where('epoch', '>', epoch)
      .execute();
    return rows.map(toChange);
  },
  async takePending(tx, limit) {
    return await tablesOf<Tables>(tx)
      .selectFrom('journal_batches')
      .select(['id', 'lines', 'body'])
      .where('place', 'is', null)
      .orderBy('id')
      .limit(limit)
      .forUpdate()
      .execute();
  },
  async place(tx, ids, first) {
    await sql`
      update journal_batches set place = ${first}::bigint + placed.ordinality - 1
      from unnest(${ids}::bigint[]) with ordinality as placed (id, ordinality)
      where journal_batches.id = placed.id`.execute(tx);
  },
  async listPlaced(tx, afterPlace, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('journal_batches')
      .select(['place', 'lines', 'body'])
      .where('place', '>', afterPlace)
      .orderBy('place')
      .limit(limit)
      .execute();
    // The condition above leaves no row without a place.
    return rows.map((row) => ({ ...row, place: row.place as number }));
  },
  async sealed(tx, source) {
    return await tablesOf<Tables>(tx)
      .selectFrom('journal_sealed')
      .select(['place', 'chain'])
      .where('source', '=', source)
      .forUpdate()
      .executeTakeFirst();
  },
  async setSealed(tx, source, { place, chain }) {
    await tablesOf<Tables>(tx)
      .insertInto('journal_sealed')
      .values({ source, place, chain })
      .onConflict((conflict) => conflict.column('source').doUpdateSet({ place, chain }))
      .execute();
  },
};

function toChange(row: { scope: string; path: string; sealed: Uint8Array | null }): Change {
  return { scope: row.scope, path: row.path, sealed: row.sealed ?? undefined };
}

/** The driver takes Buffers for bytes; a plain Uint8Array inside an array would be written as text. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
