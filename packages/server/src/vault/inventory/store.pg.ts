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

async function upsert(
  tx: Parameters<ReaderStore['add']>[0],
  sightings: readonly Sighting[],
  counts: ReturnType<typeof sql<boolean>>,
): Promise<void> {
  if (sightings.length === 0) return;
  await tablesOf<Tables>(tx)
    .insertInto('vault_readers')
    .values(
      sightings.map(({ mountId, path, reader, first, last, version, count }) => ({
        mount_id: mountId,
        path,
        reader: reader.id,
        name: reader.name,
        aliases: [...reader.aliases],
        first_at: first,
        last_at: last,
        version,
        reads: count,
      })),
    )
    .onConflict((on) =>
      on.columns(['mount_id', 'path', 'reader']).doUpdateSet({
        name: sql`excluded.name`,
        aliases: sql`excluded.aliases`,
        first_at: sql`least(vault_readers.first_at, excluded.first_at)`,
        last_at: sql`greatest(vault_readers.last_at, excluded.last_at)`,
        version: sql`case when excluded.last_at >= vault_readers.last_at and excluded.version > 0
          then excluded.version else vault_readers.version end`,
        reads: sql`vault_readers.reads + case when ${counts} then excluded.reads else 0 end`,
      }),
    )
    .execute();
  await dropOldest(tx, sightings);
}

/** Of the secrets that were just written, what is more than `maxReaders`. */
async function dropOldest(
  tx: Parameters<ReaderStore['add']>[0],
  sightings: readonly Sighting[],
): Promise<void> {
  const [mountIds, paths] = [sightings.map(({ mountId }) => mountId), sightings.map(({ path }) => path)];
  await sql`delete from vault_readers where (mount_id, path, reader) in (
    select mount_id, path, reader from (
      select mount_id, path, reader,
        row_number() over (partition by mount_id, path order by last_at desc, reader) as place
      from vault_readers
      where (mount_id, path) in (select * from unnest(${mountIds}::text[], ${paths}::text[]))
    ) placed where place > ${maxReaders})`.execute(tx);
}
