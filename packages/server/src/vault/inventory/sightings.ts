import { setImmediate as nextRound } from 'node:timers/promises';
import type { Journal } from '#journal';
import type { Clock, Db } from '#platform';
import { mountsOf } from '../mounts/table.ts';
import type { Readers } from './readers.ts';
import { readsAfter } from './recover.ts';
import { readerStore as store } from './store.pg.ts';
import type { Position } from './store.ts';

export interface SightingsDeps {
  readonly journal: Pick<Journal, 'audit' | 'auditEnd' | 'peek' | 'openScope'>;
  readonly db: Db;
  readonly clock: Clock;
  readonly readers: Readers;
  /** Another one for each process. */
  readonly replica: string;
  /** Nobody else serves this database: whatever another process left is left for good. */
  readonly alone: boolean;
}

/** Keeps the table of readers up to date. */
export interface Sightings {
  /** Before the first answer: what is read from now on is ours to store. */
  begin(): Promise<void>;
  /** Stores what was seen since the last time; call it every few seconds, and at the end. */
  store(): Promise<number>;
  /** Reads from the audit what replicas that stopped did not store any more; gives how many reads. */
  recover(): Promise<number>;
  /** Forgets readers of mounts that are gone, and those of long ago. A portion of them. */
  tidy(): Promise<number>;
}

const portion = 500;
/** A replica that stored nothing for so long has stopped. */
const stoppedMilliseconds = 120_000;
/** At least so often a replica that runs says so: well before it would be taken for stopped. */
const restMilliseconds = 30_000;
const keptMilliseconds = 400 * 24 * 3600_000;

export function createSightings(deps: SightingsDeps): Sightings {
  const { journal, db, clock, readers, replica, alone } = deps;
  const now = () => clock.now().getTime();

  // Reads of this process are stored by itself; those that another one leaves behind while it runs are all in the table.
  let begun = Number.MAX_SAFE_INTEGER;

  let placedAt = 0;

  async function placeAt(end: Position): Promise<void> {
    placedAt = now();
    await db.write((tx) => store.setPosition(tx, replica, end, now()));
  }

  return {
    async begin() {
      if (alone) begun = journal.peek((turn) => turn.now);
      await placeAt(await journal.auditEnd());
    },

    async store() {
      // An older place costs no more than reading on from there; an idle server has nothing else to write.
      if (readers.size === 0 && Math.abs(now() - placedAt) < restMilliseconds) return 0;
      const end = await journal.auditEnd();
      // Answers up to this end are out; what they have to tell is told in the same round as they leave.
      await nextRound();
      let stored = 0;
      for (let left = readers.size; left > 0; ) {
        const taken = readers.take(portion);
        if (taken.length === 0) break;
        try {
          await db.write((tx) => store.add(tx, taken));
        } catch (error) {
          readers.giveBack(taken);
          throw error;
        }
        stored += taken.length;
        left -= taken.length;
      }
      await placeAt(end);
      return stored;
    },

    async recover() {
      const before = alone ? Number.MAX_SAFE_INTEGER : now() - stoppedMilliseconds;
      const positions = await db.read((tx) => store.stoppedPositions(tx, before, replica));
      const [first] = positions;
      if (first === undefined) return 0;
      const from = {
        file: Math.min(...positions.map(({ file }) => file)),
        table: Math.min(...positions.map(({ table }) => table)),
      };
      let count = 0;
      for await (const seen of readsAfter(journal, from, { portion, until: begun })) {
        await db.write((tx) => store.addLater(tx, seen));
        count += seen.length;
      }
      // Last, so that a crash in between does it all again.
      await db.write((tx) => store.removePositions(tx, before, replica));
      return count;
    },

    async tidy() {
      const live = new Set(journal.peek((turn) => mountsOf(turn).mounts.map(({ id }) => id)));
      let removed = await db.write((tx) => store.removeOld(tx, now() - keptMilliseconds, portion));
      for (const id of await db.read((tx) => store.mountIds(tx))) {
        if (!live.has(id)) removed += await db.write((tx) => store.removeMount(tx, id, portion));
      }
      return removed;
    },
  };
}
