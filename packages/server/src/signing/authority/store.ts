import type { Tx } from '#platform';

/** A generation of the certificate authority, as stored. */
export interface AuthorityRow {
  readonly number: number;
  /** The generation whose root signed this one's intermediate. */
  readonly rootNumber: number;
  /** DER. */
  readonly root: Uint8Array;
  readonly intermediate: Uint8Array;
  readonly createdAt: Date;
}

/** All functions run in the caller's transaction and are as durable as it is. Nothing is changed or deleted. */
export interface AuthorityStore {
  /** Newest first. */
  list(tx: Tx): Promise<readonly AuthorityRow[]>;
  /** Whoever makes a generation waits here for whoever makes one already. */
  lock(tx: Tx): Promise<void>;
  insert(tx: Tx, row: AuthorityRow): Promise<void>;
}

/** Of rotations; at one a month, eighty years. */
export const maxGenerations = 1000;
