import type { Tx } from '#platform';

/** An encrypted value with its own key (DEK). Holders store the four fields as they are. */
export interface SealedRecord {
  /** Version of the scope's KEK that `wrappedKey` is under. */
  readonly keyVersion: number;
  readonly wrappedKey: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** What a rewrap changes in a record; everything else stays. */
export type RewrappedKey = Pick<SealedRecord, 'keyVersion' | 'wrappedKey'>;

export interface HeldRecord {
  /** The holder's own name of the row. */
  readonly id: string;
  /** The address it was encrypted for: the wrapped key is bound to it. */
  readonly address: string;
  readonly record: RewrappedKey;
}

/** A context that stores sealed records, and lets the keyring move them to a new KEK. */
export interface Holder {
  readonly name: string;
  /** Up to `limit` records of the scope under a KEK older than `keyVersion`, locked (`for update`), in a fixed order. */
  listOlderThan(tx: Tx, scope: string, keyVersion: number, limit: number): Promise<readonly HeldRecord[]>;
  /** Replaces the wrapped key of one row that `listOlderThan` gave in the same transaction. */
  replace(tx: Tx, id: string, wrapped: RewrappedKey): Promise<void>;
}
