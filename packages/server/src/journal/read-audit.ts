import type { Db } from '#platform';
import type { AppendQueue } from './append-queue.ts';
import type { AuditBatch } from './batch.ts';
import type { JournalStore, Moment } from './store.ts';

/**
 * Where the audit of batches that change nothing goes. A server that is alone with its database appends to a file: its
 * memory is the truth, so it may decide the next batch meanwhile. Replicas share a table, and have to learn whether the
 * moment is still the one they have seen: when it is not, nothing is written and `appendIfCurrent` gives `false`.
 */
export type ReadAudit = AppendQueue | { appendIfCurrent(batch: AuditBatch, seen: Moment): Promise<boolean> };

/** Replicas: one insert that holds only for the state that the answers were decided on. */
export function tableReads(db: Db, store: JournalStore): ReadAudit {
  return {
    appendIfCurrent: (batch, seen) => db.statement((tx) => store.appendIfCurrent(tx, batch, seen)),
  };
}
