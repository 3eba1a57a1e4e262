import type { Tx } from '#platform';
import type { ContentDigest } from '../content-digest.ts';

export interface Upload {
  readonly id: string;
  readonly repository: string;
  readonly actorId: string;
  /** Bytes that are certainly on the disk. */
  readonly offsetBytes: number;
}

export interface Blob {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  readonly file: string;
}

/**
 * Rows of blobs, links and uploads. The two ways a thing stays alive, linking a blob and referring to a link, both
 * *write* the row they rely on; garbage collection deletes with the age as condition. So when both meet in the same
 * moment, whoever comes second sees the other: the delete finds a young row, or the touch finds none.
 */
export interface BlobStore {
  insertUpload(tx: Tx, upload: Upload, at: Date): Promise<void>;
  findUpload(tx: Tx, id: string): Promise<Upload | undefined>;
  /** Moves the offset from exactly `from`; false when the upload is gone or was moved by another. */
  moveUpload(tx: Tx, id: string, from: number, to: number, at: Date): Promise<boolean>;
  /** Whether there was one. */
  deleteUpload(tx: Tx, id: string): Promise<boolean>;
  /** Deletes uploads not written to since `before`; their ids. */
  deleteStaleUploads(tx: Tx, before: Date): Promise<string[]>;

  /** Inserts the blob, or touches the row that is there; the row as it is now. */
  upsertBlob(tx: Tx, blob: Blob, at: Date): Promise<Blob>;
  replaceFile(tx: Tx, digest: ContentDigest, file: string): Promise<void>;
  /** Links a blob that exists; false when there is no such blob. */
  link(tx: Tx, repository: string, digest: ContentDigest, at: Date): Promise<boolean>;
  /** The blob, if the repository has a link to it. */
  find(tx: Tx, repository: string, digest: ContentDigest): Promise<Blob | undefined>;
  /** Repositories that link the blob, in order of name. */
  linkedIn(tx: Tx, digest: ContentDigest, limit: number): Promise<string[]>;
  /** Makes the links young again; the blobs that are linked. */
  touchLinks(tx: Tx, repository: string, digests: readonly ContentDigest[], at: Date): Promise<Blob[]>;
  /** Removes a link no manifest of the repository refers to; false when one does. */
  unlink(tx: Tx, repository: string, digest: ContentDigest): Promise<boolean>;

  /** Deletes links older than `before` that no manifest of their repository refers to; how many. */
  deleteLooseLinks(tx: Tx, before: Date): Promise<number>;
  /** Deletes blobs older than `before` without any link; their files. */
  deleteLooseBlobs(tx: Tx, before: Date): Promise<string[]>;
  /** Those of `files` that a row names. */
  knownFiles(tx: Tx, files: readonly string[]): Promise<ReadonlySet<string>>;
}
