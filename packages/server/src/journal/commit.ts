import type { Change } from './record-set.ts';
import type { Sum } from './state-hash.ts';

/** What a decision gives: the answer, and its audit as JSON lines (each ended by a newline). */
export interface Decided<R> {
  readonly answer: R;
  readonly audit: readonly Buffer[];
}

/** A decided batch that waits to become durable. */
export interface Settle {
  readonly outcomes: ReadonlyArray<{ readonly answer: unknown } | { readonly error: unknown }>;
  readonly changes: readonly Change[];
  /** The sum of all records with the changes. */
  readonly sum: Sum;
  readonly audit: readonly Buffer[];
  /** The moment of the batch, milliseconds since the epoch. */
  readonly now: number;
  /** Scopes whose keys have to be brought into memory first: the rest of this is of no use then. */
  readonly missing: ReadonlySet<string>;
}

/** A batch that is durable, or will be. */
export interface Committed extends Settle {
  /**
   * Absent where it is durable. Else nothing was changed, and nothing that is decided meanwhile depends on it; when it
   * rejects, nothing of the batch is durable.
   */
  readonly durable?: Promise<void>;
}

/** Decides the batch anew from the state as it is in memory. */
export type DecideBatch = () => Settle;

/**
 * Makes a batch durable: its audit, and in the same transaction what it changed. Resolves with the
 * decision that counts, which may be a later one than the first: when another replica changed the state, the batch is
 * decided again on the new state. On a throw nothing of the batch is durable, or it is not known whether it is; the
 * caller undoes it, and the next batch learns from the store what holds. `openScope` does not throw.
 */
export interface Committer {
  commit(decide: DecideBatch, openScope: (scope: string) => Promise<void>): Promise<Committed>;
}
