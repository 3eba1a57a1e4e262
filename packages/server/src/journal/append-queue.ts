import { setImmediate as nextRound } from 'node:timers/promises';
import type { AuditBatch } from './batch.ts';

export interface AppendQueue {
  /** Durable when it resolves. May be called again before: what waits is written together. */
  append(batch: AuditBatch): Promise<void>;
}

interface Waiting {
  readonly batch: AuditBatch;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Of batches that are written together; one alone may have more. */
const maxTogetherBytes = 16 * 1024 * 1024;

/**
 * One write at a time, in the order of the calls. The longer a write takes, the more batches the next one carries, so a
 * slow disk costs time and not throughput.
 */
export function createAppendQueue(write: (batch: AuditBatch) => Promise<void>): AppendQueue {
  const waiting: Waiting[] = [];
  let writing = false;

  function take(): readonly Waiting[] {
    let sizeBytes = waiting[0]?.batch.body.length ?? 0;
    let count = 1;
    for (; count < waiting.length; count += 1) {
      sizeBytes += waiting[count]?.batch.body.length ?? 0;
      if (sizeBytes > maxTogetherBytes) break;
    }
    return waiting.splice(0, count);
  }

  async function writeAll(): Promise<void> {
    writing = true;
    while (waiting.length > 0) {
      // What is decided in this round of the event loop shares the write: it takes a third of the writes away.
      await nextRound();
      const taken = take();
      try {
        await write(together(taken.map(({ batch }) => batch)));
        for (const { resolve } of taken) resolve();
      } catch (error) {
        for (const { reject } of taken) reject(error);
      }
    }
    writing = false;
  }

  return {
    append: (batch) =>
      new Promise((resolve, reject) => {
        waiting.push({ batch, resolve, reject });
        if (!writing) void writeAll();
      }),
  };
}

/** As one batch, of the moment of its last: no line in it is of a later one. */
function together(batches: readonly AuditBatch[]): AuditBatch {
  const [first] = batches;
  const last = batches.at(-1);
  if (first === undefined || last === undefined) throw new Error('expected at least one batch');
  if (first === last) return first;
  return {
    at: last.at,
    lines: batches.reduce((sum, { lines }) => sum + lines, 0),
    body: Buffer.concat(batches.map(({ body }) => body)),
  };
}
