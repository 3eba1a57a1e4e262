import type { Tx } from '#platform';

/** The last tree of another log that this witness has cosigned. */
export interface WitnessedHead {
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
}

export interface WitnessStore {
  /** What was cosigned last for a log; locked until the transaction ends, so that two requests do not both extend it. */
  headForUpdate(tx: Tx, origin: string): Promise<WitnessedHead | undefined>;
  setHead(tx: Tx, origin: string, head: WitnessedHead): Promise<void>;

  /** Keeps a cosignature of our own log; the first of a witness for a size stays. */
  keepCosignature(tx: Tx, treeSize: number, witness: string, line: string): Promise<void>;
  /** Signature lines for a size, in the order of the witnesses' names. */
  cosignatures(
    tx: Tx,
    treeSize: number,
  ): Promise<readonly { readonly witness: string; readonly line: string }[]>;
  /** The largest tree that a witness has cosigned; 0 when none. */
  lastCosigned(tx: Tx, witness: string): Promise<number>;
  /** The largest tree that at least `quorum` of `witnesses` have cosigned. */
  largestWithQuorum(tx: Tx, witnesses: readonly string[], quorum: number): Promise<number | undefined>;
  /** The log's own note for a size. */
  note(tx: Tx, treeSize: number): Promise<string | undefined>;
}
