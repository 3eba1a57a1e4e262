import { Fault } from '@sallyport/formats';
import { sql } from 'kysely';
import { tablesOf } from '#platform';
import { checkDigest } from '../content-digest.ts';
import type { ManifestStore, Referrer, StoredManifest } from './store.ts';

interface ManifestRow {
  repository: string;
  digest: string;
  media_type: string;
  content: Uint8Array;
  subject: string | null;
  artifact_type: string | null;
  annotations: unknown;
  pushed_at: Date;
}

interface Tables {
  registry_manifests: ManifestRow;
  registry_manifest_refs: { repository: string; manifest: string; kind: string; digest: string };
  registry_tags: { repository: string; tag: string; digest: string; pushed_at: Date };
}

export const manifestStore: ManifestStore = {
  async insert(tx, manifest, refs, at) {
    const tables = tablesOf<Tables>(tx);
    const inserted = await tables
      .insertInto('registry_manifests')
      .values({
        repository: manifest.repository,
        digest: manifest.digest,
        media_type: manifest.mediaType,
        content: manifest.content,
        subject: manifest.subject ?? null,
        artifact_type: manifest.artifactType ?? null,
        annotations: JSON.stringify(manifest.annotations),
        pushed_at: at,
      })
      .onConflict((on) => on.columns(['repository', 'digest']).doNothing())
      .returning('digest')
      .execute();
    if (inserted.length === 0) return false;
    const rows = [
      ...[...new Set(refs.blobs)].map((digest) => ({ kind: 'blob', digest })),
      ...[...new Set(refs.manifests)].map((digest) => ({ kind: 'manifest', digest })),
    ].map((ref) => ({ ...ref, repository: manifest.repository, manifest: manifest.digest }));
    if (rows.length > 0) await tables.insertInto('registry_manifest_refs').values(rows).execute();
    return true;
  },

  async find(tx, repository, digest) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('registry_manifests')
      .selectAll()
      .where('repository', '=', repository)
      .where('digest', '=', digest)
      .executeTakeFirst();
    return row === undefined ? undefined : toManifest(row);
  },

  async hold(tx, repository, digests) {
    if (digests.length === 0) return new Map();
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('registry_manifests')
      .select(['digest', sql<number>`octet_length(content)`.as('size')])
      .where('repository', '=', repository)
      .where('digest', 'in', [...digests])
      .orderBy('digest')
      .forShare()
      .execute();
    return new Map(rows.map((row) => [checkDigest(row.digest), row.size]));
  },

  async isReferred(tx, repository, digest) {
    const tables = tablesOf<Tables>(tx);
    // Waits for an index being pushed over it, and makes the next one wait: see `hold`.
    await tables
      .selectFrom('registry_manifests')
      .select('digest')
      .where('repository', '=', repository)
      .where('digest', '=', digest)
      .forUpdate()
      .execute();
    const row = await tables
      .selectFrom('registry_manifest_refs')
      .select('manifest')
      .where('repository', '=', repository)
      .where('kind', '=', 'manifest')
      .where('digest', '=', digest)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  },

  async delete(tx, repository, digest) {
    await tablesOf<Tables>(tx)
      .deleteFrom('registry_manifests')
      .where('repository', '=', repository)
      .where('digest', '=', digest)
      .execute();
  },

  async referrers(tx, repository, subject, page) {
    let query = tablesOf<Tables>(tx)
      .selectFrom('registry_manifests')
      .select([
        'digest',
        'media_type',
        'artifact_type',
        'annotations',
        sql<number>`octet_length(content)`.as('size'),
      ])
      .where('repository', '=', repository)
      .where('subject', '=', subject)
      .orderBy('digest')
      .limit(page.limit);
    if (page.artifactType !== undefined) query = query.where('artifact_type', '=', page.artifactType);
    if (page.after !== undefined) query = query.where('digest', '>', page.after);
    const rows = await query.execute();
    return rows.map(
      (row): Referrer => ({
        digest: checkDigest(row.digest),
        mediaType: row.media_type,
        artifactType: row.artifact_type ?? undefined,
        annotations: textMap(row.annotations),
        sizeBytes: row.size,
      }),
    );
  },

  async listAll(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('registry_manifests')
      .select(['repository', 'digest', 'media_type', 'subject', 'artifact_type'])
      .select(sql<number>`octet_length(content)`.as('size'))
      .execute();
    return rows.map((row) => ({
      repository: row.repository,
      digest: checkDigest(row.digest),
      mediaType: row.media_type,
      sizeBytes: row.size,
      subject: row.subject === null ? undefined : checkDigest(row.subject),
      artifactType: row.artifact_type ?? undefined,
    }));
  },

  async tag(tx, tag, at) {
    const tables = tablesOf<Tables>(tx);
    const inserted = await tables
      .insertInto('registry_tags')
      .values({ ...tag, pushed_at: at })
      .onConflict((on) => on.columns(['repository', 'tag']).doNothing())
      .returning('digest')
      .execute();
    if (inserted.length === 1) return { digest: tag.digest, isNew: true };
    const there = await manifestStore.findTag(tx, tag.repository, tag.tag);
    // Removed between the two statements: the caller's retry finds it free.
    if (there === undefined)
      throw new Fault('unavailable', 'registry.tag_busy', 'the tag was removed at this moment', {
        hint: 'try again',
      });
    return { digest: there, isNew: false };
  },

  async findTag(tx, repository, tag) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('registry_tags')
      .select('digest')
      .where('repository', '=', repository)
      .where('tag', '=', tag)
      .executeTakeFirst();
    return row === undefined ? undefined : checkDigest(row.digest);
  },

  async deleteTags(tx, repository, which) {
    const query = tablesOf<Tables>(tx).deleteFrom('registry_tags').where('repository', '=', repository);
    const rows = await ('tag' in which
      ? query.where('tag', '=', which.tag)
      : query.where('digest', '=', which.digest)
    )
      .returning(['repository', 'tag', 'digest'])
      .execute();
    return rows.map((row) => ({ ...row, digest: checkDigest(row.digest) }));
  },

  async listTags(tx, repository, after, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('registry_tags')
      .select('tag')
      .where('repository', '=', repository)
      .where(sql<boolean>`tag collate "C" > ${after}`)
      .orderBy(sql`tag collate "C"`)
      .limit(limit)
      .execute();
    return rows.map((row) => row.tag);
  },

  async listAllTags(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('registry_tags')
      .select(['repository', 'tag', 'digest'])
      .execute();
    return rows.map((row) => ({ ...row, digest: checkDigest(row.digest) }));
  },

  async exists(tx, repository) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('registry_manifests')
      .select('digest')
      .where('repository', '=', repository)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  },
};

function toManifest(row: ManifestRow): StoredManifest {
  return {
    repository: row.repository,
    digest: checkDigest(row.digest),
    mediaType: row.media_type,
    content: new Uint8Array(row.content),
    subject: row.subject === null ? undefined : checkDigest(row.subject),
    artifactType: row.artifact_type ?? undefined,
    annotations: textMap(row.annotations),
  };
}

function textMap(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null)
    throw new Fault('integrity', 'registry.row_invalid', 'expected stored annotations');
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));
}
