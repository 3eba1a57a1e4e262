import type { Tx } from '#platform';

/** The promise of the first log API: when an entry was seen in its place, signed (SET). Never changes. */
export interface StoredPromise {
  readonly entryId: string;
  /** Seconds since 1970. */
  readonly integratedTime: number;
  readonly signature: Uint8Array;
}

export interface RekorStore {
  /** Keeps promises whose entries have none yet, and gives those that hold now, in no order. */
  keep(tx: Tx, promises: readonly StoredPromise[]): Promise<readonly StoredPromise[]>;
  find(tx: Tx, entryId: string): Promise<StoredPromise | undefined>;
}
