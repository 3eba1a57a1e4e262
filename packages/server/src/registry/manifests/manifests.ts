import { Fault } from '@sallyport/formats';
import type { Actor, Audit, AuditedTable, Clock, Db, Json, Tx } from '#platform';
import { systemActor } from '#platform';
import { blobStore } from '../blobs/store.pg.ts';
import { algorithmOf, type ContentDigest, contentDigestOf } from '../content-digest.ts';
import { checkRepository, checkTag, parseReference, type Reference } from '../names.ts';
import { imageIndexType, type Manifest, parseManifest } from './manifest.ts';
import { manifestStore } from './store.pg.ts';
import type { ManifestSummary, Referrer, StoredManifest, Tag } from './store.ts';

export interface PutManifest {
  readonly digest: ContentDigest;
  readonly subject: ContentDigest | undefined;
}

export interface Manifests {
  /**
   * Stores a manifest whose blobs and manifests are all in the repository, under the digest or tag that `reference`
   * is, and sets `tags`, at most 50, as well. The same bytes again are no change; a tag that names other bytes is
   * refused (`registry.tag_immutable`), and then nothing is stored.
   */
  putManifest(
    repository: string,
    bytes: Uint8Array,
    mediaType: string,
    reference?: string,
    actor?: Actor,
    tags?: readonly string[],
  ): Promise<PutManifest>;
  /** By tag or digest; the bytes are hashed again before they leave. */
  getManifest(repository: string, reference: string): Promise<StoredManifest>;
  /** By digest with all its tags, or one tag alone. */
  deleteManifest(actor: Actor, repository: string, reference: string): Promise<void>;
  /** All, or those of one artifact type, ordered by digest. Nobody knows of a subject: an empty list. */
  referrers(
    repository: string,
    subject: ContentDigest,
    page?: { readonly artifactType?: string; readonly after?: ContentDigest; readonly limit?: number },
  ): Promise<readonly Referrer[]>;
  listTags(
    repository: string,
    page: { readonly after: string; readonly limit: number },
  ): Promise<readonly string[]>;
}

const maxReferrers = 1000;
const maxTagsAtOnce = 50;

export function createManifests(deps: {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
}): Manifests {
  const { db, audit, clock } = deps;

  async function resolve(tx: Tx, repository: string, reference: Reference): Promise<ContentDigest> {
    if ('digest' in reference) return reference.digest;
    const digest = await manifestStore.findTag(tx, repository, reference.tag);
    if (digest === undefined) throw unknownManifest(reference.tag);
    return digest;
  }

  async function setTag(tx: Tx, actor: Actor, tag: Tag): Promise<void> {
    const set = await manifestStore.tag(tx, tag, clock.now());
    if (set.digest !== tag.digest)
      throw new Fault(
        'conflict',
        'registry.tag_immutable',
        `tag "${tag.tag}" is immutable: it names ${set.digest} and cannot be moved to ${tag.digest}`,
        { hint: 'push under a new tag, or by digest' },
      );
    if (set.isNew)
      await audit.record(tx, {
        type: 'registry.tag.set',
        actor,
        resource: tagResource(tag),
        state: tagState(tag),
      });
  }

  return {
    async putManifest(repository, bytes, mediaType, reference, actor = systemActor, tags = []) {
      checkRepository(repository);
      const manifest = parseManifest(bytes, mediaType);
      const named = reference === undefined ? undefined : parseReference(reference);
      const wanted = named !== undefined && 'digest' in named ? named.digest : undefined;
      const names = new Set(tags.map(checkTag));
      if (named !== undefined && 'tag' in named) names.add(named.tag);
      if (names.size > maxTagsAtOnce)
        throw new Fault(
          'invalid',
          'registry.tags_too_many',
          `expected at most ${maxTagsAtOnce} tags, got ${names.size}`,
        );
      const digest = contentDigestOf(wanted === undefined ? 'sha256' : algorithmOf(wanted), bytes);
      if (wanted !== undefined && wanted !== digest)
        throw new Fault(
          'invalid',
          'registry.digest_mismatch',
          `expected a manifest with digest ${wanted}, got ${digest}`,
        );
      const stored: StoredManifest = {
        repository,
        digest,
        mediaType: manifest.mediaType,
        content: bytes,
        subject: manifest.subject,
        artifactType: manifest.artifactType,
        annotations: manifest.annotations,
      };
      await db.write(async (tx) => {
        await assertComplete(tx, repository, manifest, clock.now());
        const refs = {
          blobs: manifest.blobs.map((each) => each.digest),
          manifests: manifest.manifests.map((each) => each.digest),
        };
        if (await manifestStore.insert(tx, stored, refs, clock.now())) {
          const summary = { ...stored, sizeBytes: bytes.length };
          await audit.record(tx, {
            type: 'registry.manifest.pushed',
            actor,
            resource: manifestResource(summary),
            state: manifestState(summary),
          });
        } else {
          const there = await manifestStore.find(tx, repository, digest);
          if (there?.mediaType !== manifest.mediaType)
            throw new Fault(
              'conflict',
              'registry.manifest_invalid',
              `expected media type "${there?.mediaType ?? ''}" of the manifest that is there, got "${manifest.mediaType}"`,
            );
        }
        // In one order, so that two pushes with the same tags do not deadlock.
        for (const name of [...names].sort()) await setTag(tx, actor, { repository, tag: name, digest });
      });
      return { digest, subject: manifest.subject };
    },

    async getManifest(repository, reference) {
      const wanted = parseReference(reference);
      const found = await db.read(async (tx) =>
        manifestStore.find(tx, repository, await resolve(tx, repository, wanted)),
      );
      if (found === undefined) throw unknownManifest(reference);
      if (contentDigestOf(algorithmOf(found.digest), found.content) !== found.digest)
        throw new Fault(
          'integrity',
          'registry.manifest_altered',
          `the stored bytes of ${found.digest} were altered`,
        );
      return found;
    },

    async deleteManifest(actor, repository, reference) {
      const wanted = parseReference(reference);
      await db.write(async (tx) => {
        const removed = await manifestStore.deleteTags(tx, repository, wanted);
        if ('tag' in wanted && removed.length === 0) throw unknownManifest(reference);
        for (const tag of removed)
          await audit.record(tx, {
            type: 'registry.tag.removed',
            actor,
            resource: tagResource(tag),
            state: null,
          });
        if ('tag' in wanted) return;
        const { digest } = wanted;
        if (await manifestStore.isReferred(tx, repository, digest))
          throw new Fault('conflict', 'registry.in_use', `an index of "${repository}" refers to ${digest}`);
        if ((await manifestStore.find(tx, repository, digest)) === undefined)
          throw unknownManifest(reference);
        await manifestStore.delete(tx, repository, digest);
        await audit.record(tx, {
          type: 'registry.manifest.deleted',
          actor,
          resource: manifestResource({ repository, digest }),
          state: null,
        });
      });
    },

    referrers: (repository, subject, page = {}) =>
      db.read((tx) => manifestStore.referrers(tx, repository, subject, { limit: maxReferrers, ...page })),

    listTags: (repository, page) =>
      db.read(async (tx) => {
        const tags = await manifestStore.listTags(tx, repository, page.after, page.limit);
        if (tags.length === 0 && !(await manifestStore.exists(tx, repository)))
          throw new Fault(
            'not_found',
            'registry.name_unknown',
            `expected a repository, found no "${repository}"`,
          );
        return tags;
      }),
  };
}

/**
 * Everything a manifest names is there, with the size it says; layers that may not be distributed can be elsewhere. The links are made young and the manifests held, so
 * that neither garbage collection nor a deletion takes them away before this transaction ends.
 */
async function assertComplete(tx: Tx, repository: string, manifest: Manifest, now: Date): Promise<void> {
  const blobs = await blobStore.touchLinks(
    tx,
    repository,
    manifest.blobs.map((each) => each.digest),
    now,
  );
  const children = await manifestStore.hold(
    tx,
    repository,
    manifest.manifests.map((each) => each.digest),
  );
  const sizes = new Map<ContentDigest, number>([
    ...blobs.map((blob) => [blob.digest, blob.sizeBytes] as const),
    ...children,
  ]);
  for (const { digest, sizeBytes, mayBeAbsent } of [...manifest.blobs, ...manifest.manifests]) {
    const found = sizes.get(digest);
    if (found === undefined && mayBeAbsent) continue;
    if (found === undefined)
      throw new Fault(
        'not_found',
        'registry.manifest_blob_unknown',
        `the manifest refers to ${digest}, which is not in "${repository}"`,
        { hint: 'push it first' },
      );
    if (found !== sizeBytes)
      throw new Fault(
        'invalid',
        'registry.manifest_invalid',
        `expected the size of ${digest} to be ${found}, the manifest says ${sizeBytes}`,
      );
  }
}

export function referrersIndex(referrers: readonly Referrer[]): Json {
  return {
    schemaVersion: 2,
    mediaType: imageIndexType,
    manifests: referrers.map((each) => ({
      mediaType: each.mediaType,
      digest: each.digest,
      size: each.sizeBytes,
      ...(each.artifactType === undefined ? {} : { artifactType: each.artifactType }),
      ...(Object.keys(each.annotations).length === 0 ? {} : { annotations: each.annotations }),
    })),
  };
}

const manifestResource = (of: { repository: string; digest: ContentDigest }): string =>
  `manifest/${of.repository}@${of.digest}`;
const tagResource = (of: Tag): string => `tag/${of.repository}:${of.tag}`;
const tagState = (of: Tag): Json => ({ repository: of.repository, tag: of.tag, digest: of.digest });

function manifestState(of: ManifestSummary): Json {
  return {
    repository: of.repository,
    digest: of.digest,
    mediaType: of.mediaType,
    sizeBytes: of.sizeBytes,
    subject: of.subject ?? null,
    artifactType: of.artifactType ?? null,
  };
}

/** For `ledger verify`: which manifests there are and what each tag names. */
export function registryAudited(): AuditedTable[] {
  return [
    {
      kind: 'manifest',
      states: async (tx) =>
        (await manifestStore.listAll(tx)).map(
          (each) => [manifestResource(each), manifestState(each)] as const,
        ),
    },
    {
      kind: 'tag',
      states: async (tx) =>
        (await manifestStore.listAllTags(tx)).map((each) => [tagResource(each), tagState(each)] as const),
    },
  ];
}

function unknownManifest(reference: string): Fault {
  return new Fault(
    'not_found',
    'registry.manifest_unknown',
    `expected a manifest, found none at "${reference.slice(0, 150)}"`,
  );
}
