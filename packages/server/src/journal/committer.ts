import { Fault } from '@sallyport/formats';
import type { Db, Tx } from '#platform';
import type { SteadyClock } from './clock.ts';
import { batchOf, type Committer, type DecideBatch, type Settle } from './commit.ts';
import type { AuditBatch, JournalStore } from './store.ts';
import type { State } from './turn.ts';

/**
 * Where the audit of batches that change nothing goes. The embedded server, alone with its directory, appends to a
 * file; replicas share a table.
 */
export interface ReadAudit {
  /** Durable when it resolves; `false`, with nothing written, when the state is no longer that of `epoch`. */
  append(batch: AuditBatch, epoch: number): Promise<boolean>;
}

export interface CommitterDeps {
  readonly db: Db;
  readonly store: JournalStore;
  readonly state: State;
  readonly clock: SteadyClock;
  readonly reads: ReadAudit;
}

/** The state moved while its scope's key was missing: the transaction ends, and everything begins again. */
class ScopesMissing extends Error {
  override readonly name = 'ScopesMissing';
}

/** How often a batch is decided anew before it is refused; each time another replica came first. */
const maxRounds = 50;

export interface StoreCommitter extends Committer {
  /** The epoch of the state in memory. */
  readonly epoch: number;
  /** Brings memory to what the store holds; called at the start, and by the lane only. */
  catchUp(): Promise<void>;
}

export function createCommitter(deps: CommitterDeps, epochLoaded: number): StoreCommitter {
  const { db, store, state, clock, reads } = deps;
  let epoch = epochLoaded;
  /** A transaction failed and may have committed all the same: memory is not known to be current. */
  let doubtful = false;

  async function refresh(tx: Tx, to: number): Promise<void> {
    const changed = await store.changedSince(tx, epoch);
    state.backTo(0);
    for (const change of changed) state.load(change);
    epoch = to;
  }

  async function catchUp(): Promise<void> {
    await db.read(async (tx) => {
      const moment = await store.moment(tx);
      clock.atLeast(moment.clock);
      if (moment.epoch !== epoch) await refresh(tx, moment.epoch);
    });
    doubtful = false;
  }

  async function write(first: Settle, decide: DecideBatch, missing: Set<string>): Promise<Settle> {
    let settle = first;
    doubtful = true;
    const done = await db.write(async (tx) => {
      const moment = await store.hold(tx);
      clock.atLeast(moment.clock);
      if (moment.epoch !== epoch) {
        await refresh(tx, moment.epoch);
        settle = decide((scope) => missing.add(scope));
        if (missing.size > 0) throw new ScopesMissing();
      }
      if (settle.changes.length > 0) {
        await store.write(tx, settle.changes, { epoch: epoch + 1, clock: settle.now });
      }
      if (settle.audit.length > 0) await store.append(tx, batchOf(settle.audit));
      return settle;
    });
    if (done.changes.length > 0) epoch += 1;
    doubtful = false;
    state.settle();
    return done;
  }

  return {
    get epoch() {
      return epoch;
    },
    catchUp,
    async commit(decide, openScope) {
      for (let round = 0; round < maxRounds; round += 1) {
        if (doubtful) await catchUp();
        const missing = new Set<string>();
        const settle = decide((scope) => missing.add(scope));
        if (missing.size === 0) {
          if (settle.changes.length === 0) {
            if (settle.audit.length === 0) return settle;
            if (await reads.append(batchOf(settle.audit), epoch)) return settle;
            await catchUp();
            continue;
          }
          try {
            return await write(settle, decide, missing);
          } catch (error) {
            if (!(error instanceof ScopesMissing)) throw error;
            doubtful = false;
          }
        }
        for (const scope of missing) await openScope(scope);
      }
      throw new Fault('unavailable', 'journal.contended', `other servers changed the state ${maxRounds} times meanwhile`, {
        hint: 'try again',
      });
    },
  };
}

/** Replicas: one insert that holds only for the state that the answers were decided on. */
export function tableReads(db: Db, store: JournalStore): ReadAudit {
  return {
    append: (batch, epoch) => db.write((tx) => store.appendIfCurrent(tx, batch, epoch)),
  };
}
