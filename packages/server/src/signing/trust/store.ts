import type { TufRole } from '@sallyport/formats';
import type { Tx } from '#platform';

/** One file of the TUF repository, as clients fetch it. */
export interface TufStoredFile {
  /** In the repository: `3.snapshot.json`, `timestamp.json`, `targets/<sha256>.trusted_root.json`. */
  readonly path: string;
  readonly role: TufRole | 'target';
  /** 0 for a target, whose hash is in its path. */
  readonly version: number;
  readonly bytes: Uint8Array;
  readonly expiresAt: Date | undefined;
  readonly writtenAt: Date;
}

/** A pair of keys that took, or will take, the place of the one before. */
export interface TufKeyPair {
  /** From 2; the keyring knows the keys by it. The first pair has no row. */
  readonly number: number;
  /** Digests of both public keys. */
  readonly keys: string;
  readonly madeAt: Date;
}

/** All verbs run in the caller's transaction and are as durable as it is. */
export interface TufStore {
  /** Until the transaction ends, no other one writes the repository. */
  lock(tx: Tx): Promise<void>;
  find(tx: Tx, path: string): Promise<TufStoredFile | undefined>;
  /** The highest version of a role. */
  newest(tx: Tx, role: TufRole): Promise<TufStoredFile | undefined>;
  /** Replaces `timestamp.json`; any other path is written once, and given again it must hold the same bytes. */
  put(tx: Tx, file: TufStoredFile): Promise<void>;
  list(tx: Tx): Promise<readonly TufStoredFile[]>;
  insertKeys(tx: Tx, pair: TufKeyPair): Promise<void>;
  /** Newest first. */
  listKeys(tx: Tx): Promise<readonly TufKeyPair[]>;
}
