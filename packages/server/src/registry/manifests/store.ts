import type { Digest } from '@sallyport/formats';
import type { Tx } from '#platform';

export interface StoredManifest {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly content: Uint8Array;
  readonly subject: Digest | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ManifestRefs {
  readonly blobs: readonly Digest[];
  readonly manifests: readonly Digest[];
}

/** What a list of referrers says of one manifest. */
export type Referrer = Omit<StoredManifest, 'content' | 'subject' | 'repository'> & {
  readonly sizeBytes: number;
};

export interface ManifestSummary {
  readonly repository: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly subject: Digest | undefined;
  readonly artifactType: string | undefined;
}

export interface Tag {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
}

/** Manifests and tags; neither row ever changes, it is there or not. */
export interface ManifestStore {
  /** False when it is there already. */
  insert(tx: Tx, manifest: StoredManifest, refs: ManifestRefs, at: Date): Promise<boolean>;
  find(tx: Tx, repository: string, digest: Digest): Promise<StoredManifest | undefined>;
  /** Those of `digests` that are there, held against deletion until the transaction ends. */
  hold(tx: Tx, repository: string, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
  /** Whether an index of the repository refers to the manifest. The manifest is held for change. */
  isReferred(tx: Tx, repository: string, digest: Digest): Promise<boolean>;
  delete(tx: Tx, repository: string, digest: Digest): Promise<void>;
  /** Ordered by digest, after `after`. */
  referrers(
    tx: Tx,
    repository: string,
    subject: Digest,
    page: { readonly artifactType?: string; readonly after?: Digest; readonly limit: number },
  ): Promise<Referrer[]>;
  listAll(tx: Tx): Promise<ManifestSummary[]>;

  /** Sets the tag if it is free; the digest it has afterwards. */
  tag(tx: Tx, tag: Tag, at: Date): Promise<{ readonly digest: Digest; readonly isNew: boolean }>;
  findTag(tx: Tx, repository: string, tag: string): Promise<Digest | undefined>;
  /** The tags removed: the one named, or all of a digest. */
  deleteTags(
    tx: Tx,
    repository: string,
    which: { readonly tag: string } | { readonly digest: Digest },
  ): Promise<Tag[]>;
  /** In the order of their bytes, after `after`. */
  listTags(tx: Tx, repository: string, after: string, limit: number): Promise<string[]>;
  listAllTags(tx: Tx): Promise<Tag[]>;
  /** Whether anything was ever pushed there and still is. */
  exists(tx: Tx, repository: string): Promise<boolean>;
}
