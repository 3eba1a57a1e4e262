import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { Sighting } from './readers.ts';
import type { ReaderStore } from './store.ts';

interface Tables {
  vault_readers: {
    mount_id: string;
    path: string;
    reader: string;
    name: string;
    aliases: string[];
    first_at: number;
    last_at: number;
    version: number;
    reads: number;
  };
  vault_reader_positions: { replica: string; file: number; place: number; at: number };
}

/** Of one secret: more are a program that makes up names, and the last ones tell enough. */
const maxReaders = 100;

export const readerStore: ReaderStore = {
  async add(tx, sightings) {
    await upsert(tx, sightings, sql<boolean>`true`);
  },

  async addLater(tx, sightings) {
    await upsert(tx, sightings, sql<boolean>`excluded.last_at > vault_readers.last_at`);
  },

  async readersOf(tx, mountId, paths) {
    if (paths.length === 0) return [];
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('vault_readers')
      .selectAll()
      .where('mount_id', '=', mountId)
      .where('path', '=', sql<string>`any(${[...paths]}::text[])`)
      .orderBy('last_at', 'desc')
      .execute();
    return rows.map((row) => ({
      mountId: row.mount_id,
      path: row.path,
      reader: { id: row.reader, name: row.name, aliases: row.aliases },
      first: Number(row.first_at),
      last: Number(row.last_at),
      version: row.version,
      count: Number(row.reads),
    }));
  },

  async removeOld(tx, before, limit) {
    const { rows } = await sql`delete from vault_readers where (mount_id, path, reader) in
      (select mount_id, path, reader from vault_readers where last_at < ${before} limit ${limit}) returning 1`.execute(
      tx,
    );
    return rows.length;
  },

  async removeMount(tx, mountId, limit) {
    const { rows } = await sql`delete from vault_readers where (mount_id, path, reader) in
      (select mount_id, path, reader from vault_readers where mount_id = ${mountId} limit ${limit}) returning 1`.execute(
      tx,
    );
    return rows.length;
  },

  async mountIds(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('vault_readers')
      .select('mount_id')
      .distinct()
      .execute();
    return rows.map((row) => row.mount_id);
  },

  async setPosition(tx, replica, { file, table }, at) {
    await tablesOf<Tables>(tx)
      .insertInto('vault_reader_positions')
      .values({ replica, file, place: table, at })
      .onConflict((on) => on.column('replica').doUpdateSet({ file, place: table, at }))
      .execute();
  },

  async stoppedPositions(tx, before, except) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('vault_reader_positions')
      .select(['file', 'place'])
      .where('at', '<', before)
      .where('replica', '!=', except)
      .execute();
    return rows.map((row) => ({ file: Number(row.file), table: Number(row.place) }));
  },

  async removePositions(tx, before, except) {
    await tablesOf<Tables>(tx)
      .deleteFrom('vault_reader_positions')
      .where('at', '<', before)
      .where('replica', '!=', except)
      .execute();
  },
};

/** Columns as arrays: a statement of thousands of values is parsed anew each time, and takes three times as long. */
async function upsert(
  tx: Parameters<ReaderStore['add']>[0],
  sightings: readonly Sighting[],
  counts: ReturnType<typeof sql<boolean>>,
): Promise<void> {
  if (sightings.length === 0) return;
  const readers = sightings.map(({ reader }) => reader);
  const { rows } = await sql<{ mount_id: string; path: string; is_new: boolean }>`
    insert into vault_readers (mount_id, path, reader, name, aliases, first_at, last_at, version, reads)
    select mount_id, path, reader, name, array(select jsonb_array_elements_text(aliases)), first_at, last_at,
      version, reads
    from unnest(
      ${sightings.map(({ mountId }) => mountId)}::text[], ${sightings.map(({ path }) => path)}::text[],
      ${readers.map(({ id }) => id)}::text[], ${readers.map(({ name }) => name)}::text[],
      ${readers.map(({ aliases }) => JSON.stringify(aliases))}::jsonb[],
      ${sightings.map(({ first }) => first)}::bigint[], ${sightings.map(({ last }) => last)}::bigint[],
      ${sightings.map(({ version }) => version)}::integer[], ${sightings.map(({ count }) => count)}::bigint[]
    ) as seen (mount_id, path, reader, name, aliases, first_at, last_at, version, reads)
    on conflict (mount_id, path, reader) do update set
      name = excluded.name,
      aliases = excluded.aliases,
      first_at = least(vault_readers.first_at, excluded.first_at),
      last_at = greatest(vault_readers.last_at, excluded.last_at),
      version = case when excluded.last_at >= vault_readers.last_at and excluded.version > 0
        then excluded.version else vault_readers.version end,
      reads = vault_readers.reads + case when ${counts} then excluded.reads else 0 end
    returning mount_id, path, xmax = 0 as is_new`.execute(tx);
  await dropOldest(
    tx,
    rows.filter((row) => row.is_new),
  );
}

/** Of the secrets that got another reader, what is more than `maxReaders`. */
async function dropOldest(
  tx: Parameters<ReaderStore['add']>[0],
  secrets: ReadonlyArray<{ readonly mount_id: string; readonly path: string }>,
): Promise<void> {
  if (secrets.length === 0) return;
  const [mountIds, paths] = [secrets.map((secret) => secret.mount_id), secrets.map(({ path }) => path)];
  await sql`delete from vault_readers where (mount_id, path, reader) in (
    select mount_id, path, reader from (
      select mount_id, path, reader,
        row_number() over (partition by mount_id, path order by last_at desc, reader) as place
      from vault_readers
      where (mount_id, path) in (select * from unnest(${mountIds}::text[], ${paths}::text[]))
    ) placed where place > ${maxReaders})`.execute(tx);
}
