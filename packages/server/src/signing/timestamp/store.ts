import type { Tx } from '#platform';

/** A key that says times, with its certificate, as it was in use. */
export interface TimestampAuthority {
  /** Of the key, as the keyring names it. */
  readonly keyId: string;
  /** DER. */
  readonly leaf: Uint8Array;
  readonly root: Uint8Array;
  readonly validFrom: Date;
  /** The end of its certificate. */
  readonly validUntil: Date;
}

/** All verbs run in the caller's transaction and are as durable as it is. */
export interface TimestampStore {
  /** Until the transaction ends, no other one makes an authority. */
  lock(tx: Tx): Promise<void>;
  find(tx: Tx, keyId: string): Promise<TimestampAuthority | undefined>;
  insert(tx: Tx, authority: TimestampAuthority): Promise<void>;
  /** Oldest first. */
  list(tx: Tx): Promise<readonly TimestampAuthority[]>;
  /**
   * Moves the last time that was said forward to `at`. False, and nothing written, when a later one than `notBefore`
   * was said already. Locks the row until the transaction ends, so batches of all replicas are one after another.
   */
  advance(tx: Tx, keyId: string, at: Date, notBefore: Date): Promise<boolean>;
}
