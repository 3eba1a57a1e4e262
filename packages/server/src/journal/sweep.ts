import type { Db } from '#platform';
import type { JournalStore } from './store.ts';

/**
 * Removes the marks that deleted records leave for other replicas. At least an hour old, they were seen by every replica
 * that answers at all; one that was away longer finds that it missed some, and reads everything anew.
 */
export interface Sweep {
  /** Does something at most once an hour. `epoch` is that of the state now, `now` in milliseconds. */
  some(epoch: number, now: number): Promise<void>;
}

const hourMilliseconds = 3_600_000;
const atOnce = 5000;
const maxRounds = 200;

/** `alone`: nobody else's engine makes room again, and PGlite has no process that would (autovacuum). */
export function createSweep(db: Db, store: JournalStore, alone: boolean): Sweep {
  let marked: { readonly epoch: number; readonly at: number } | undefined;
  return {
    async some(epoch, now) {
      const before = marked;
      if (before !== undefined && now - before.at < hourMilliseconds) return;
      if (before !== undefined) {
        for (let round = 0; round < maxRounds; round += 1) {
          const removed = await db.write((tx) => store.sweep(tx, before.epoch, atOnce));
          if (removed < atOnce) break;
        }
        if (alone) await db.statement((tx) => store.vacuum(tx));
      }
      marked = { epoch, at: now };
    },
  };
}
