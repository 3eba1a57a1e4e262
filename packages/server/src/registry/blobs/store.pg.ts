import { sql } from 'kysely';
import { tablesOf } from '#platform';
import { checkDigest } from '../content-digest.ts';
import type { Blob, BlobStore } from './store.ts';

interface Tables {
  registry_blobs: { digest: string; size_bytes: number; file: string; touched_at: Date };
  registry_links: { repository: string; digest: string; linked_at: Date };
  registry_uploads: {
    id: string;
    repository: string;
    actor_id: string;
    offset_bytes: number;
    updated_at: Date;
  };
}

export const blobStore: BlobStore = {
  async insertUpload(tx, upload, at) {
    await tablesOf<Tables>(tx)
      .insertInto('registry_uploads')
      .values({
        id: upload.id,
        repository: upload.repository,
        actor_id: upload.actorId,
        offset_bytes: upload.offsetBytes,
        updated_at: at,
      })
      .execute();
  },

  async findUpload(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('registry_uploads')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    return { id: row.id, repository: row.repository, actorId: row.actor_id, offsetBytes: row.offset_bytes };
  },

  async moveUpload(tx, id, from, to, at) {
    const moved = await tablesOf<Tables>(tx)
      .updateTable('registry_uploads')
      .set({ offset_bytes: to, updated_at: at })
      .where('id', '=', id)
      .where('offset_bytes', '=', from)
      .returning('id')
      .execute();
    return moved.length === 1;
  },

  async deleteUpload(tx, id) {
    const gone = await tablesOf<Tables>(tx)
      .deleteFrom('registry_uploads')
      .where('id', '=', id)
      .returning('id')
      .execute();
    return gone.length === 1;
  },

  async deleteStaleUploads(tx, before) {
    const gone = await tablesOf<Tables>(tx)
      .deleteFrom('registry_uploads')
      .where('updated_at', '<', before)
      .returning('id')
      .execute();
    return gone.map((row) => row.id);
  },

  async upsertBlob(tx, blob, at) {
    const row = await tablesOf<Tables>(tx)
      .insertInto('registry_blobs')
      .values({ digest: blob.digest, size_bytes: blob.sizeBytes, file: blob.file, touched_at: at })
      .onConflict((on) => on.column('digest').doUpdateSet({ touched_at: at }))
      .returningAll()
      .executeTakeFirstOrThrow();
    return toBlob(row);
  },

  async replaceFile(tx, digest, file) {
    await tablesOf<Tables>(tx)
      .updateTable('registry_blobs')
      .set({ file })
      .where('digest', '=', digest)
      .execute();
  },

  async link(tx, repository, digest, at) {
    const touched = await tablesOf<Tables>(tx)
      .updateTable('registry_blobs')
      .set({ touched_at: at })
      .where('digest', '=', digest)
      .returning('digest')
      .execute();
    if (touched.length === 0) return false;
    await tablesOf<Tables>(tx)
      .insertInto('registry_links')
      .values({ repository, digest, linked_at: at })
      .onConflict((on) => on.columns(['repository', 'digest']).doUpdateSet({ linked_at: at }))
      .execute();
    return true;
  },

  async find(tx, repository, digest) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('registry_links')
      .innerJoin('registry_blobs', 'registry_blobs.digest', 'registry_links.digest')
      .select(['registry_blobs.digest', 'registry_blobs.size_bytes', 'registry_blobs.file'])
      .where('registry_links.repository', '=', repository)
      .where('registry_links.digest', '=', digest)
      .executeTakeFirst();
    return row === undefined ? undefined : toBlob(row);
  },

  async linkedIn(tx, digest, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('registry_links')
      .select('repository')
      .where('digest', '=', digest)
      .orderBy('repository')
      .limit(limit)
      .execute();
    return rows.map((row) => row.repository);
  },

  async touchLinks(tx, repository, digests, at) {
    if (digests.length === 0) return [];
    const tables = tablesOf<Tables>(tx);
    // Locked in one order, so that two manifests over the same layers do not deadlock.
    await tables
      .selectFrom('registry_links')
      .select('digest')
      .where('repository', '=', repository)
      .where('digest', 'in', [...digests])
      .orderBy('digest')
      .forUpdate()
      .execute();
    const touched = await tables
      .updateTable('registry_links')
      .set({ linked_at: at })
      .where('repository', '=', repository)
      .where('digest', 'in', [...digests])
      .returning('digest')
      .execute();
    if (touched.length === 0) return [];
    const rows = await tables
      .selectFrom('registry_blobs')
      .selectAll()
      .where(
        'digest',
        'in',
        touched.map((row) => row.digest),
      )
      .execute();
    return rows.map(toBlob);
  },

  async unlink(tx, repository, digest) {
    const tables = tablesOf<Tables>(tx);
    await tables
      .selectFrom('registry_links')
      .select('digest')
      .where('repository', '=', repository)
      .where('digest', '=', digest)
      .forUpdate()
      .execute();
    const gone = await tables
      .deleteFrom('registry_links')
      .where('repository', '=', repository)
      .where('digest', '=', digest)
      .where(unreferenced)
      .returning('digest')
      .execute();
    return gone.length === 1;
  },

  async deleteLooseLinks(tx, before) {
    const gone = await tablesOf<Tables>(tx)
      .deleteFrom('registry_links')
      .where('linked_at', '<', before)
      .where(unreferenced)
      .returning('digest')
      .execute();
    return gone.length;
  },

  async deleteLooseBlobs(tx, before) {
    const gone = await tablesOf<Tables>(tx)
      .deleteFrom('registry_blobs')
      .where('touched_at', '<', before)
      .where(
        sql<boolean>`not exists (select 1 from registry_links where registry_links.digest = registry_blobs.digest)`,
      )
      .returning('file')
      .execute();
    return gone.map((row) => row.file);
  },

  async knownFiles(tx, files) {
    if (files.length === 0) return new Set();
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('registry_blobs')
      .select('file')
      .where('file', 'in', [...files])
      .execute();
    return new Set(rows.map((row) => row.file));
  },
};

const unreferenced = sql<boolean>`not exists (
  select 1 from registry_manifest_refs r
  where r.repository = registry_links.repository and r.kind = 'blob' and r.digest = registry_links.digest
)`;

function toBlob(row: { digest: string; size_bytes: number; file: string }): Blob {
  return { digest: checkDigest(row.digest), sizeBytes: row.size_bytes, file: row.file };
}
