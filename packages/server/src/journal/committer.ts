import { Fault } from '@sallyport/formats';
import type { Db, Random, Tx } from '#platform';
import { batchOf, type Link, linkAfter } from './batch.ts';
import type { SteadyClock } from './clock.ts';
import type { Committer, DecideBatch, Settle } from './commit.ts';
import type { Finding, Findings } from './findings.ts';
import { loadRecords } from './loader.ts';
import { pack } from './packed.ts';
import type { ReadAudit } from './read-audit.ts';
import type { State } from './state.ts';
import {
  emptySum,
  markSizeBytes,
  nonceSizeBytes,
  type StateHash,
  type Sum,
  sameSum,
  sumOf,
} from './state-hash.ts';
import type { JournalStore, Moment, Place } from './store.ts';

export interface CommitterDeps {
  readonly db: Db;
  readonly store: JournalStore;
  readonly state: State;
  readonly stateHash: StateHash;
  readonly clock: SteadyClock;
  readonly random: Random;
  readonly findings: Findings;
  readonly reads: ReadAudit;
  /** Nobody else writes: batches get their places as they are written, and need not be read again to be chained. */
  readonly alone: boolean;
}

/** The state moved while its scope's key was missing: the transaction ends, and everything begins again. */
class ScopesMissing extends Error {
  override readonly name = 'ScopesMissing';
}

/** How often a batch is decided anew before it is refused; each time another replica came first. */
const maxRounds = 50;
/** Rounds that try to write without holding the moment first, which is one round trip instead of five. */
const hopefulRounds = 2;

export interface StoreCommitter extends Committer {
  /** The moment of the state in memory. */
  readonly moment: Moment;
  /** How much was written since the start, as changes are stored. */
  readonly writtenBytes: number;
  /** Loads everything. Throws when the database cannot be read. */
  load(): Promise<void>;
  /** Brings memory to what the store holds. For the lane only, between two batches, as are the next two. */
  catchUp(): Promise<void>;
  /** As `catchUp`, if a write failed since: memory is what was durable at some moment then. */
  clear(): Promise<void>;
  /** Takes the records as they are for those that were written. */
  accept(record: (tx: Tx) => Promise<void>): Promise<void>;
}

export function createCommitter(deps: CommitterDeps): StoreCommitter {
  const { db, store, state, stateHash, clock, random, findings, reads, alone } = deps;
  let seen: Moment = { epoch: 0, clock: 0, swept: 0, mark: undefined };
  /** What the records sum up to beyond the stored sum: nothing, unless somebody changed them past the server. */
  let difference = emptySum();
  /** A transaction failed and may have committed all the same: memory is not known to be current. */
  let doubtful = false;
  let writtenBytes = 0;
  /** The end of the chain over the table's batches, for who is alone; and with a batch that is being written. */
  let placed: Link | undefined;
  let placedNext: Link | undefined;

  function differenceAt(moment: Moment): Sum {
    const { mark, epoch } = moment;
    if (mark?.length === markSizeBytes) return sumOf(state.sum, stateHash.fromMark(mark, moment), 'minus');
    // Only a database in which nothing was ever written has no mark; a mark that was removed must differ for good.
    return mark === undefined && epoch === 0
      ? state.sum.slice()
      : sumOf(state.sum, emptySum().fill(1), 'minus');
  }

  /** Memory holds the records of `moment` now. */
  function arrive(moment: Moment): void {
    const now = differenceAt(moment);
    if (!sameSum(now, difference) && !sameSum(now, emptySum())) findings.report(recordsDiffer);
    difference = now;
    seen = moment;
  }

  async function reload(tx: Tx, moment: Moment): Promise<void> {
    state.replace(await loadRecords(tx, store, stateHash, (place) => findings.report(changesDamaged(place))));
    arrive(moment);
  }

  async function load(): Promise<void> {
    await db.read(async (tx) => {
      const moment = await store.moment(tx);
      refuseOlder(moment);
      clock.atLeast(moment.clock);
      await reload(tx, moment);
    });
  }

  /** A database that says less than before, or something else, was put back under the running server. */
  function refuseOlder(moment: Moment): void {
    if (moment.epoch > seen.epoch || sameMoment(moment, seen)) return;
    throw new Fault(
      'integrity',
      'journal.rolled_back',
      `expected the database at state ${seen.epoch} or later, as this server has seen it, got another state ${moment.epoch}`,
      {
        hint: 'an older copy of the database was put back; if you did that on purpose, start the server again',
      },
    );
  }

  /** Takes the changes since `seen` if they can be had one by one, and add up. */
  async function follow(tx: Tx): Promise<'current' | 'unclear'> {
    const { moment, changes } = await store.since(tx, seen.epoch);
    refuseOlder(moment);
    clock.atLeast(moment.clock);
    if (sameMoment(moment, seen)) return 'current';
    if (changes === undefined || moment.swept > seen.epoch) return 'unclear';
    state.load(changes);
    if (!sameSum(differenceAt(moment), difference)) return 'unclear';
    seen = moment;
    return 'current';
  }

  async function catchUp(): Promise<void> {
    doubtful = true;
    if ((await db.statement(follow)) === 'unclear') await load();
    if (alone) placed = await db.statement((tx) => store.placedTo(tx));
    doubtful = false;
  }

  /** In a transaction that holds the moment. */
  async function catchUpHeld(tx: Tx, moment: Moment): Promise<void> {
    if ((await follow(tx)) === 'unclear') await reload(tx, moment);
  }

  function nextMoment(sum: Sum, now: number): Moment {
    const next = { epoch: seen.epoch + 1, clock: Math.max(now, seen.clock), swept: seen.swept };
    const mark = stateHash.toMark(sumOf(sum, difference, 'minus'), next, random.bytes(nonceSizeBytes));
    return { ...next, mark };
  }

  function write(tx: Tx, { changes, audit, now }: Settle, next: Moment): Promise<boolean> {
    const packed = pack(changes);
    writtenBytes += packed.bytes.length;
    const batch = audit.length === 0 ? undefined : batchOf(now, audit);
    placedNext = batch === undefined || placed === undefined ? placed : linkAfter(placed, batch);
    const placedBatch = batch === undefined ? undefined : { ...batch, ...placedNext };
    return store.writeIfCurrent(tx, packed, placedBatch, seen, next);
  }

  function settled(settle: Settle, next: Moment): Settle {
    state.settle(settle.sum);
    seen = next;
    placed = placedNext;
    return settle;
  }

  /** Gives `undefined` when another replica came first. */
  async function writeHopefully(settle: Settle): Promise<Settle | undefined> {
    const next = nextMoment(settle.sum, settle.now);
    doubtful = true;
    const done = await db.statement((tx) => write(tx, settle, next));
    doubtful = false;
    return done ? settled(settle, next) : undefined;
  }

  /** Holds the moment first, so that nobody can come between. */
  async function writeHeld(first: Settle, decide: DecideBatch): Promise<Settle> {
    let settle = first;
    let next: Moment | undefined;
    doubtful = true;
    await db.write(async (tx) => {
      next = undefined;
      const moment = await store.hold(tx);
      if (!sameMoment(moment, seen)) {
        await catchUpHeld(tx, moment);
        settle = decide();
        if (settle.missing.size > 0) throw new ScopesMissing();
      }
      if (settle.changes.length > 0) {
        next = nextMoment(settle.sum, settle.now);
        if (!(await write(tx, settle, next))) throw lost();
      } else if (settle.audit.length > 0) {
        if (!(await store.appendIfCurrent(tx, batchOf(settle.now, settle.audit), seen))) throw lost();
      }
    });
    doubtful = false;
    return next === undefined ? settle : settled(settle, next);
  }

  return {
    get moment() {
      return seen;
    },
    get writtenBytes() {
      return writtenBytes;
    },
    load,
    catchUp,
    async clear() {
      if (doubtful) await catchUp();
    },
    async commit(decide, openScope) {
      for (let round = 0; round < maxRounds; round += 1) {
        if (doubtful) await catchUp();
        const settle = decide();
        let { missing } = settle;
        if (missing.size === 0) {
          if (settle.changes.length === 0) {
            if (settle.audit.length === 0) return settle;
            const batch = batchOf(settle.now, settle.audit);
            if ('append' in reads) return { ...settle, durable: reads.append(batch) };
            if (await reads.appendIfCurrent(batch, seen)) return settle;
          } else if (round < hopefulRounds) {
            const done = await writeHopefully(settle);
            if (done !== undefined) return done;
          } else {
            try {
              return await writeHeld(settle, decide);
            } catch (error) {
              if (!(error instanceof ScopesMissing)) throw error;
              // Rolled back by this throw, so there is no doubt; the state in memory is the newer one already.
              doubtful = false;
              missing = decide().missing;
            }
          }
          if (missing.size === 0) await catchUp();
        }
        for (const scope of missing) await openScope(scope);
      }
      throw new Fault(
        'unavailable',
        'journal.contended',
        `other servers changed the state ${maxRounds} times meanwhile`,
        { hint: 'try again' },
      );
    },
    async accept(record) {
      const was = difference;
      await catchUp();
      difference = emptySum();
      try {
        const next = nextMoment(state.sum, clock.now());
        doubtful = true;
        await db.write(async (tx) => {
          if (!(await store.writeIfCurrent(tx, pack([]), undefined, seen, next))) throw contended();
          await record(tx);
        });
        doubtful = false;
        seen = next;
      } catch (error) {
        difference = was;
        throw error;
      }
      findings.accept('journal.records_differ');
    },
  };
}

const recordsDiffer = {
  code: 'journal.records_differ',
  where: 'journal_changes',
  message: 'a record was put back to an older version, changed or removed past the server',
} as const;

function changesDamaged({ epoch, part }: Place): Finding {
  return {
    code: 'journal.changes_damaged',
    where: `journal_changes, epoch ${epoch}, part ${part}`,
    message:
      'what was changed there cannot be read to its end; records may be older than they were, or missing',
  };
}

function sameMoment(one: Moment, other: Moment): boolean {
  if (one.epoch !== other.epoch) return false;
  if (one.mark === undefined || other.mark === undefined) return one.mark === other.mark;
  return Buffer.compare(one.mark, other.mark) === 0;
}

function lost(): Fault {
  return new Fault('internal', 'journal.lost', 'the state moved although it was held');
}

function contended(): Fault {
  return new Fault('unavailable', 'journal.contended', 'another server changed the state meanwhile', {
    hint: 'try again',
  });
}
