import type { Tx } from '#platform';
import type { Tile, TileKey } from './tree.ts';

export interface PendingEntry {
  /** In the order of insertion; for one resource, whose writers wait for each other, the order of its changes. */
  readonly seq: number;
  readonly entryId: string;
  readonly resource: string | null;
  readonly body: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly refused: boolean;
}

export interface StoredEntry {
  readonly leafIndex: number;
  readonly entryId: string;
  readonly resource: string | null;
  readonly body: Uint8Array;
}

export interface StoredCheckpoint {
  readonly treeSize: number;
  readonly note: string;
}

/**
 * The ledger's tables. Every function works inside the caller's transaction: what it writes is durable with it or not
 * at all. Nothing here updates or deletes an entry, a full tile or a checkpoint.
 */
export interface LedgerStore {
  /** Adds a pending entry; the same id a second time changes nothing. */
  insertPending(tx: Tx, entry: Omit<PendingEntry, 'seq' | 'refused'>): Promise<void>;
  /** The same for many, in their order and in one statement; gives the ids that were not pending yet. */
  insertAllPending(
    tx: Tx,
    entries: readonly Omit<PendingEntry, 'seq' | 'refused'>[],
  ): Promise<readonly string[]>;
  hasPending(tx: Tx): Promise<boolean>;
  /** The oldest pending entries that are not refused, locked. */
  takePending(tx: Tx, limit: number): Promise<readonly PendingEntry[]>;
  listPending(tx: Tx, afterSeq: number, limit: number): Promise<readonly PendingEntry[]>;
  /** Pending entries of one resource that are not refused, newest first. */
  listPendingOf(tx: Tx, resource: string): Promise<readonly PendingEntry[]>;
  findPending(tx: Tx, entryIds: readonly string[]): Promise<readonly PendingEntry[]>;
  refusePending(tx: Tx, seqs: readonly number[]): Promise<void>;
  deletePending(tx: Tx, seqs: readonly number[]): Promise<void>;

  /** Waits until no other transaction integrates entries, in any process. */
  lockSequencer(tx: Tx): Promise<void>;
  /** The size of the tree; locked when `hold`. `undefined` when its one row is gone. */
  headSize(tx: Tx, hold: boolean): Promise<number | undefined>;
  setHeadSize(tx: Tx, treeSize: number): Promise<void>;

  /** Copies pending rows, in the order of `seqs`, to consecutive leaves from `firstIndex`, and removes them. */
  moveToEntries(tx: Tx, seqs: readonly number[], firstIndex: number): Promise<void>;
  findEntries(tx: Tx, entryIds: readonly string[]): Promise<readonly StoredEntry[]>;
  /** Leaves from `firstIndex`, in order. */
  listEntries(tx: Tx, firstIndex: number, limit: number): Promise<readonly StoredEntry[]>;
  /** Leaves of one resource before `beforeIndex`, newest first. */
  listByResource(
    tx: Tx,
    resource: string,
    beforeIndex: number,
    limit: number,
  ): Promise<readonly StoredEntry[]>;

  /** The tiles among `keys` that exist. */
  findTiles(tx: Tx, keys: readonly TileKey[]): Promise<readonly Tile[]>;
  /** Writes new tiles, or new contents of the partial tiles at the right edge. */
  putTiles(tx: Tx, tiles: readonly Tile[]): Promise<void>;

  insertCheckpoint(tx: Tx, checkpoint: StoredCheckpoint): Promise<void>;
  lastCheckpoint(tx: Tx): Promise<StoredCheckpoint | undefined>;
  /** Checkpoints of trees larger than `afterSize` and at most `upToSize`. */
  listCheckpoints(tx: Tx, afterSize: number, upToSize: number): Promise<readonly StoredCheckpoint[]>;
  /** Row counts, for `verify`: a row that replaying did not meet is one too many. */
  count(tx: Tx): Promise<{ entries: number; tiles: number; checkpoints: number }>;
}
