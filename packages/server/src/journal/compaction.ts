import type { Db } from '#platform';
import type { StoreCommitter } from './committer.ts';
import type { Lane } from './lane.ts';
import { pack, unpack } from './packed.ts';
import type { State } from './state.ts';
import { beforeAll, type JournalStore, type Part, type Place } from './store.ts';

/**
 * Takes out of the stored changes what does not count any more: what was overwritten, and that a record is gone. What is
 * older goes first, so that nothing which a record's end overrode comes back with the removal of that end. At least an
 * hour old, it was seen by every replica that answers at all; one that was away longer finds that it missed some, and
 * reads everything anew.
 */
export interface Compaction {
  /** Does a portion of what is due; `now` in milliseconds. */
  some(now: number): Promise<void>;
}

export interface CompactionDeps {
  readonly db: Db;
  readonly store: JournalStore;
  readonly state: State;
  readonly lane: Lane;
  readonly committer: StoreCommitter;
  /** Nobody else follows the changes, and nobody else's engine makes room again: PGlite has no autovacuum. */
  readonly alone: boolean;
}

const hourMilliseconds = 3_600_000;
/** Replicas that answer follow each other within seconds. */
const minuteMilliseconds = 60_000;
/** Pages of half a megabyte, each of which keeps the lane for some milliseconds. */
const pagesAtOnce = 100;
/** So much may have been overwritten at any time, and half of what there is. */
const slackBytes = 16 * 1024 * 1024;

interface Pass {
  /** Changes of later epochs stay as they are. */
  readonly epoch: number;
  readonly writtenBytes: number;
  after: Place;
  keptBytes: number;
}

export function createCompaction(deps: CompactionDeps): Compaction {
  const { db, store, state, lane, committer, alone } = deps;
  /** The state at a time that is past. */
  let mark: { readonly epoch: number; readonly at: number } | undefined;
  let pass: Pass | undefined;
  let last = { epoch: -1, writtenBytes: 0, keptBytes: 0 };

  function due(now: number): Pass | undefined {
    const { epoch } = committer.moment;
    const { writtenBytes } = committer;
    mark ??= { epoch, at: now };
    const age = now - mark.at;
    const full = writtenBytes - last.writtenBytes > Math.max(slackBytes, last.keptBytes / 2);
    const from = full && alone ? epoch : mark.epoch;
    if (age < hourMilliseconds && !(full && (alone || age >= minuteMilliseconds))) return undefined;
    mark = { epoch, at: now };
    return from === last.epoch ? undefined : { epoch: from, writtenBytes, after: beforeAll, keptBytes: 0 };
  }

  /** Gives whether there is more. */
  async function compactPage(going: Pass): Promise<boolean> {
    await committer.clear();
    const done = await db.write(async (tx) => {
      // Another replica might do the same.
      await store.hold(tx);
      const page = (await store.page(tx, going.after)).filter(({ epoch }) => epoch <= going.epoch);
      const { changed, keptBytes } = sift(page, state);
      if (changed.length > 0) await store.rewrite(tx, changed);
      return { end: page.at(-1), keptBytes };
    });
    if (done.end === undefined) return false;
    going.after = done.end;
    going.keptBytes += done.keptBytes;
    return true;
  }

  return {
    async some(now) {
      if (pass === undefined) {
        pass = due(now);
        if (pass === undefined) return;
        const { epoch } = pass;
        await db.write((tx) => store.setSwept(tx, epoch));
      }
      const going = pass;
      for (let pages = 0; pages < pagesAtOnce; pages += 1) {
        if (await lane.alone(() => compactPage(going))) continue;
        pass = undefined;
        last = going;
        if (alone) await db.statement((tx) => store.vacuum(tx));
        return;
      }
    },
  };
}

/** The parts of which not everything counts, with the rest of them. */
function sift(
  page: readonly Part[],
  state: State,
): { readonly changed: readonly Part[]; readonly keptBytes: number } {
  const changed: Part[] = [];
  let keptBytes = 0;
  for (const { epoch, part, packed } of page) {
    const { changes, isWhole } = unpack(packed);
    // What is damaged stays for whoever looks for what it was.
    const kept = isWhole ? changes.filter((change) => state.holds(change)) : changes;
    const rest = kept.length === changes.length ? packed : pack(kept).bytes;
    if (rest !== packed) changed.push({ epoch, part, packed: rest });
    keptBytes += rest.length;
  }
  return { changed, keptBytes };
}
