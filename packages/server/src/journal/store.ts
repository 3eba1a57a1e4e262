import type { Tx } from '#platform';
import type { Change } from './turn.ts';

export interface Moment {
  /** Grows by one with every transaction that changed a record. */
  readonly epoch: number;
  /** The latest time any decision was made at, in milliseconds. */
  readonly clock: number;
}

export interface AuditBatch {
  /** JSON lines, each ended by a newline. */
  readonly body: Uint8Array;
  readonly lines: number;
}

/** A batch that waits for its place in the chain. */
export interface PendingBatch extends AuditBatch {
  readonly id: number;
}

/** How far the audit of one source was sealed into the ledger. */
export interface Sealed {
  /** How many batches have their place. */
  readonly place: number;
  /** SHA-256 chain over all batches up to `place`. */
  readonly chain: Uint8Array;
}

/**
 * The journal's tables. Everything happens in the caller's transaction. A change and the audit of the requests that
 * made it are written together; nothing here changes or removes a batch, but for the place it gets once.
 */
export interface JournalStore {
  moment(tx: Tx): Promise<Moment>;
  /** As `moment`, and nobody else changes a record until the transaction ends. */
  hold(tx: Tx): Promise<Moment>;
  /** Adds a batch if the epoch is still `epoch`; gives whether it did. One statement, one snapshot. */
  appendIfCurrent(tx: Tx, batch: AuditBatch, epoch: number): Promise<boolean>;
  append(tx: Tx, batch: AuditBatch): Promise<void>;
  /** Writes the changes under the next epoch; the caller holds the moment. */
  write(tx: Tx, changes: readonly Change[], next: Moment): Promise<void>;
  /** Records after (scope, path), in that order, without those that are gone. */
  page(
    tx: Tx,
    after: { readonly scope: string; readonly path: string } | undefined,
    limit: number,
  ): Promise<readonly Change[]>;
  /** All changes of epochs after `epoch`, those of records that are gone included. */
  changedSince(tx: Tx, epoch: number): Promise<readonly Change[]>;
  /** Batches without a place, oldest first, locked. */
  takePending(tx: Tx, limit: number): Promise<readonly PendingBatch[]>;
  /** Gives the batches the places from `first` on, in the order of `ids`. */
  place(tx: Tx, ids: readonly number[], first: number): Promise<void>;
  /** Batches with their places, after `place`, in order. */
  listPlaced(tx: Tx, afterPlace: number, limit: number): Promise<readonly (AuditBatch & { readonly place: number })[]>;
  sealed(tx: Tx, source: string): Promise<Sealed | undefined>;
  setSealed(tx: Tx, source: string, sealed: Sealed): Promise<void>;
}
