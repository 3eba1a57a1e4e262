import type { Tx } from '#platform';
import type { ContentDigest } from '../content-digest.ts';

export interface StoredManifest {
  readonly repository: string;
  readonly digest: ContentDigest;
  readonly mediaType: string;
  readonly content: Uint8Array;
  readonly subject: ContentDigest | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ManifestRefs {
  readonly blobs: readonly ContentDigest[];
  readonly manifests: readonly ContentDigest[];
}

/** What a list of referrers says of one manifest. */
export type Referrer = Omit<StoredManifest, 'content' | 'subject' | 'repository'> & {
  readonly sizeBytes: number;
};

export interface ManifestSummary {
  readonly repository: string;
  readonly digest: ContentDigest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly subject: ContentDigest | undefined;
  readonly artifactType: string | undefined;
}

export interface Tag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: ContentDigest;
}

/** Manifests and tags; neither row ever changes, it is there or not. */
export interface ManifestStore {
  /** False when it is there already. */
  insert(tx: Tx, manifest: StoredManifest, refs: ManifestRefs, at: Date): Promise<boolean>;
  find(tx: Tx, repository: string, digest: ContentDigest): Promise<StoredManifest | undefined>;
  /** Those of `digests` that are there, held against deletion until the transaction ends. */
  hold(
    tx: Tx,
    repository: string,
    digests: readonly ContentDigest[],
  ): Promise<ReadonlyMap<ContentDigest, number>>;
  /** Whether an index of the repository refers to the manifest. The manifest is held for change. */
  isReferred(tx: Tx, repository: string, digest: ContentDigest): Promise<boolean>;
  delete(tx: Tx, repository: string, digest: ContentDigest): Promise<void>;
  /** Ordered by digest, after `after`. */
  referrers(
    tx: Tx,
    repository: string,
    subject: ContentDigest,
    page: { readonly artifactType?: string; readonly after?: ContentDigest; readonly limit: number },
  ): Promise<Referrer[]>;
  listAll(tx: Tx): Promise<ManifestSummary[]>;

  /** Sets the tag if it is free; the digest it has afterwards. */
  tag(tx: Tx, tag: Tag, at: Date): Promise<{ readonly digest: ContentDigest; readonly isNew: boolean }>;
  findTag(tx: Tx, repository: string, tag: string): Promise<ContentDigest | undefined>;
  /** The tags removed: the one named, or all of a digest. */
  deleteTags(
    tx: Tx,
    repository: string,
    which: { readonly tag: string } | { readonly digest: ContentDigest },
  ): Promise<Tag[]>;
  /** In the order of their bytes, after `after`. */
  listTags(tx: Tx, repository: string, after: string, limit: number): Promise<string[]>;
  listAllTags(tx: Tx): Promise<Tag[]>;
  /** Whether anything was ever pushed there and still is. */
  exists(tx: Tx, repository: string): Promise<boolean>;
}
