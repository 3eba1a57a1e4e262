import type { Tx } from '#platform';
import type { AuditBatch, AuditSource, Link, PlacedBatch } from './batch.ts';
import type { Packed } from './packed.ts';
import type { Change } from './record-set.ts';

export interface Moment {
  /** Grows by one with every transaction that changed a record. */
  readonly epoch: number;
  /** The latest time any change was decided at, in milliseconds. */
  readonly clock: number;
  /** Who saw an epoch before this one may have missed a change, and reads everything anew. */
  readonly swept: number;
  /** The hash of all records at this epoch (`StateHash.toMark`); absent while none was ever written. */
  readonly mark: Uint8Array | undefined;
}

/** A batch that waits for its place in the chain. */
export interface PendingBatch extends AuditBatch {
  readonly id: number;
}

/** Where changes stand: those of an epoch are cut into parts, see packed.ts. */
export interface Place {
  readonly epoch: number;
  readonly part: number;
}

export const beforeAll: Place = { epoch: -1, part: 0 };

export interface Part extends Place {
  readonly packed: Buffer;
}

/**
 * The journal's tables. Everything happens in the caller's transaction; where it says "one statement", also in one of
 * its own. A change and the audit of the requests that made it are written together; nothing here changes or removes a
 * batch, but for the place it gets once.
 */
export interface JournalStore {
  moment(tx: Tx): Promise<Moment>;
  /** As `moment`, and nobody else changes a record until the transaction ends. */
  hold(tx: Tx): Promise<Moment>;
  /** The sealed key of the hash of all records. */
  stateKey(tx: Tx): Promise<Uint8Array | undefined>;
  setStateKey(tx: Tx, sealed: Uint8Array): Promise<void>;
  /** Adds a batch if the moment is still `seen`; gives whether it did. One statement, one snapshot. */
  appendIfCurrent(tx: Tx, batch: AuditBatch, seen: Moment): Promise<boolean>;
  /**
   * Writes the changes, and the batch if there is one, if the moment is still `seen`; gives whether. One statement. A
   * batch without a place gets it later, with `place`.
   */
  writeIfCurrent(
    tx: Tx,
    changes: Packed,
    batch: (AuditBatch & Partial<Link>) | undefined,
    seen: Moment,
    next: Moment,
  ): Promise<boolean>;
  /**
   * The moment, and the changes of epochs after `epoch`, those of records that are gone included; without changes when
   * they are too many to be brought at once. One statement, one snapshot.
   */
  since(
    tx: Tx,
    epoch: number,
  ): Promise<{ readonly moment: Moment; readonly changes: readonly Change[] | undefined }>;
  /**
   * Some of what stands after `after`, in order; none at the end. A later change of a record overrides an earlier one.
   */
  page(tx: Tx, after: Place): Promise<readonly Part[]>;
  /** Says that what was overwritten or gone at `epoch` may be missing from now on. */
  setSwept(tx: Tx, epoch: number): Promise<void>;
  /** Puts other changes where parts are, and removes those of which nothing is left. */
  rewrite(tx: Tx, parts: readonly Part[]): Promise<void>;
  /** Makes room of what changed and was removed: a statement of its own, for an engine that does not do so by itself. */
  vacuum(tx: Tx): Promise<void>;
  /** The batch that was written last, 0 when there is none: all before it have smaller numbers. */
  newestBatch(tx: Tx): Promise<number>;
  /** Whether there are batches beyond what was sealed, with a place or without, up to `newest`. */
  hasUnsealed(tx: Tx, newest: number): Promise<boolean>;
  /** The last batch that has a place, or what was sealed if that is later. */
  placedTo(tx: Tx): Promise<Link>;
  /** The last batch with a place after `place`, and how many lines came since; absent when there is none. */
  placedSince(tx: Tx, place: number): Promise<(Link & { readonly lines: number }) | undefined>;
  /** Batches without a place, oldest first; the caller holds `table` with `holdSealedTo`. */
  takePending(tx: Tx): Promise<readonly PendingBatch[]>;
  place(tx: Tx, batches: ReadonlyArray<Link & { readonly id: number }>): Promise<void>;
  /** Batches with their places, after `place`, in order; none at the end. */
  listPlaced(tx: Tx, afterPlace: number): Promise<readonly PlacedBatch[]>;
  /** How far the audit of one source was sealed into the ledger. */
  sealedTo(tx: Tx, source: AuditSource): Promise<Link>;
  /** As `sealedTo`, and nobody else seals that source until the transaction ends. */
  holdSealedTo(tx: Tx, source: AuditSource): Promise<Link>;
  setSealedTo(tx: Tx, source: AuditSource, link: Link): Promise<void>;
}
