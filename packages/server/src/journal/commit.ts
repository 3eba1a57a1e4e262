import type { AuditBatch } from './store.ts';
import type { Change } from './turn.ts';

/** What a decision gives: the answer, and its audit as JSON lines (each ended by a newline). */
export interface Decided<R> {
  readonly answer: R;
  readonly audit: readonly Buffer[];
}

/** A decided batch that waits to become durable. */
export interface Settle {
  readonly outcomes: ReadonlyArray<{ readonly answer: unknown } | { readonly error: unknown }>;
  readonly changes: readonly Change[];
  readonly audit: readonly Buffer[];
  /** The moment of the batch, milliseconds since the epoch. */
  readonly now: number;
}

/** Decides the batch anew from the state as it is in memory, telling of scopes whose key is missing there. */
export type DecideBatch = (scopeMissing: (scope: string) => void) => Settle;

/**
 * Makes a batch durable: its audit, and in the same transaction what it changed. Resolves only then, with the decision
 * that is durable, which may be a later one than the first: when another replica changed the state, the batch is
 * decided again on the new state. On a throw nothing of the batch is durable, or it is not known whether it is; the
 * caller undoes it, and the next batch learns from the store what holds.
 */
export interface Committer {
  commit(decide: DecideBatch, openScope: (scope: string) => Promise<void>): Promise<Settle>;
}

export function batchOf(audit: readonly Buffer[]): AuditBatch {
  return { lines: audit.length, body: audit.length === 1 && audit[0] !== undefined ? audit[0] : Buffer.concat(audit) };
}
