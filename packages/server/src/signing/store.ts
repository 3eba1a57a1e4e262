import type { Digest } from '@sallyport/formats';
import type { Tx } from '#platform';

/** One row of the journal: a signature that exists, and how far it has come. */
export interface Sealing {
  readonly id: string;
  readonly key: string;
  readonly subject: Digest;
  readonly subjectName: string;
  readonly predicateType: string;
  /** The canonical statement. */
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  readonly keyHint: string;
  /** Absent only inside the transaction that inserts the row. */
  readonly entryId: string | undefined;
  readonly ociRepository: string | undefined;
  readonly signedAt: Date;
  readonly sealed: Sealed | undefined;
  readonly attachedAt: Date | undefined;
}

export interface Sealed {
  readonly bundle: string;
  readonly bundleDigest: Digest;
  readonly logIndex: number;
  readonly at: Date;
}

export interface SigningKey {
  readonly hint: string;
  readonly publicKey: Uint8Array;
  readonly validFrom: Date;
  readonly validUntil: Date | undefined;
}

/** All verbs run in the caller's transaction and are as durable as it is. */
export interface SigningStore {
  findKey(tx: Tx, hint: string): Promise<SigningKey | undefined>;
  /** Oldest first. */
  listKeys(tx: Tx): Promise<readonly SigningKey[]>;
  /** Ends all active keys at `key.validFrom` and adds this one. Serialized against itself by an advisory lock. */
  activateKey(tx: Tx, key: SigningKey): Promise<void>;
  /** One more than the highest log index of what the key signed; undefined while some of it is not in the log yet. */
  endOfKey(tx: Tx, hint: string): Promise<number | undefined>;
  lockKeys(tx: Tx): Promise<void>;

  /** False, and nothing written, when the key of the sealing is taken: also by a transaction that commits meanwhile. */
  insert(tx: Tx, sealing: Sealing): Promise<boolean>;
  setEntry(tx: Tx, id: string, entryId: string): Promise<void>;
  findByKey(tx: Tx, key: string): Promise<Sealing | undefined>;
  /** Locks the row until the transaction ends. */
  getForUpdate(tx: Tx, id: string): Promise<Sealing>;
  setSealed(tx: Tx, id: string, sealed: Sealed): Promise<void>;
  setAttached(tx: Tx, id: string, at: Date): Promise<void>;
  /** Sealed evidence about a subject, in log order. */
  listSealed(tx: Tx, subject: Digest, limit: number): Promise<readonly Sealing[]>;
  /** Ids of what is not finished, oldest first. */
  listUnfinished(tx: Tx, limit: number): Promise<readonly string[]>;
  listAll(tx: Tx): Promise<readonly Sealing[]>;

  findTrustRoot(tx: Tx, payloadDigest: Digest): Promise<string | undefined>;
  /** Gives the stored document: this one, or the one that was there first. */
  keepTrustRoot(tx: Tx, payloadDigest: Digest, document: string, at: Date): Promise<string>;
}
