import type { Tx } from '#platform';

/** A key that says times, with its certificate, as it was in use. */
export interface TimestampAuthority {
  /** From 1; the keyring knows the key by it. */
  readonly number: number;
  /** Of the key, as the keyring names it. */
  readonly keyId: string;
  /** DER. */
  readonly leaf: Uint8Array;
  readonly root: Uint8Array;
  readonly validFrom: Date;
  /** The end of its certificate. */
  readonly validUntil: Date;
  /** When another key took its place. */
  readonly endedAt: Date | undefined;
}

/** All verbs run in the caller's transaction and are as durable as it is. */
export interface TimestampStore {
  /** Until the transaction ends, no other one makes or ends an authority. */
  lock(tx: Tx): Promise<void>;
  /** The one that has not ended. */
  current(tx: Tx): Promise<TimestampAuthority | undefined>;
  insert(tx: Tx, authority: TimestampAuthority): Promise<void>;
  end(tx: Tx, number: number, at: Date): Promise<void>;
  /** Oldest first. */
  list(tx: Tx): Promise<readonly TimestampAuthority[]>;
  /**
   * Moves the last time that was said forward to `at`. Nothing is written when a later one than `notBefore` was said
   * already (`behind`) or the authority has ended. Locks the row until the transaction ends, so batches of all replicas
   * are one after another, and none is after the end.
   */
  advance(tx: Tx, number: number, at: Date, notBefore: Date): Promise<'said' | 'behind' | 'ended'>;
}
