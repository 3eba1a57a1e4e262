import type { Tx } from '#platform';

/** The root key as stored: sealed, never in the clear. */
export interface SealedRoot {
  readonly version: number;
  readonly sealKind: string;
  readonly sealed: Uint8Array;
  readonly createdAt: Date;
}

/** The key that the holders of recovery shares have together, under the root key. At most one. */
export interface WrappedRecovery {
  readonly shares: number;
  readonly threshold: number;
  readonly rootVersion: number;
  readonly wrapped: Uint8Array;
  readonly createdAt: Date;
}

/** A key encryption key as stored: under a root key. */
export interface WrappedKek {
  readonly scope: string;
  readonly version: number;
  readonly rootVersion: number;
  readonly wrapped: Uint8Array;
  readonly uses: number;
}

export interface StoredSigner {
  readonly name: string;
  readonly algorithm: string;
  readonly publicKey: Uint8Array;
  readonly keyVersion: number;
  readonly wrappedKey: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/**
 * The keyring's tables. Every function works inside the caller's transaction: what it writes is durable with it or
 * not at all. Locks are held until that transaction ends.
 */
export interface KeyringStore {
  /** Waits until no other transaction makes or replaces keys of `what` ("root", "kek/<scope>", "signer/<name>"). */
  lock(tx: Tx, what: string): Promise<void>;

  /**
   * The current root. With `hold`, it cannot be replaced until this transaction ends, and a stale snapshot is a
   * serialization failure instead of an old answer.
   */
  findRoot(tx: Tx, hold: 'share' | 'update' | 'none'): Promise<SealedRoot | undefined>;
  insertRoot(tx: Tx, root: SealedRoot): Promise<void>;
  /** The same root key under another seal, or under another key of the same seal. */
  resealRoot(tx: Tx, version: number, sealKind: string, sealed: Uint8Array): Promise<void>;
  deleteRoot(tx: Tx, version: number): Promise<void>;

  /** The newest KEK of the scope, or exactly `version`. */
  findKek(tx: Tx, scope: string, version?: number): Promise<WrappedKek | undefined>;
  /** All versions of the scope's KEK, oldest first. */
  listKekVersions(tx: Tx, scope: string): Promise<readonly number[]>;
  insertKek(tx: Tx, kek: WrappedKek, at: Date): Promise<void>;
  /** All KEKs that are not under `rootVersion`. */
  listKeksNotUnder(tx: Tx, rootVersion: number): Promise<readonly WrappedKek[]>;
  rewrapKek(tx: Tx, scope: string, version: number, rootVersion: number, wrapped: Uint8Array): Promise<void>;
  addUses(tx: Tx, scope: string, version: number, uses: number): Promise<void>;
  /** Scopes with more than one version, with the newest; only these can have records to rewrap. */
  listRotatedScopes(tx: Tx): Promise<ReadonlyArray<{ readonly scope: string; readonly version: number }>>;

  findRecovery(tx: Tx): Promise<WrappedRecovery | undefined>;
  /** Replaces the one there is. */
  putRecovery(tx: Tx, recovery: WrappedRecovery): Promise<void>;
  deleteRecovery(tx: Tx): Promise<void>;

  findSigner(tx: Tx, name: string): Promise<StoredSigner | undefined>;
  insertSigner(tx: Tx, signer: StoredSigner, at: Date): Promise<void>;
  listSignersOlderThan(tx: Tx, keyVersion: number, limit: number): Promise<readonly StoredSigner[]>;
  replaceSignerKey(tx: Tx, name: string, keyVersion: number, wrappedKey: Uint8Array): Promise<void>;

  /** What `ledger verify` compares: every root, KEK version and signer, without key material. */
  listRoots(tx: Tx): Promise<readonly SealedRoot[]>;
  listKeks(
    tx: Tx,
  ): Promise<ReadonlyArray<{ readonly scope: string; readonly version: number; readonly createdAt: Date }>>;
  listSigners(tx: Tx): Promise<ReadonlyArray<StoredSigner & { readonly createdAt: Date }>>;
}
