import type { Db, Tx } from '#platform';

/** Which write fails: nothing of it is written ('before'), or all of it is and nobody hears of it ('after'). */
export interface FaultPlan {
  readonly at: number;
  readonly mode: 'before' | 'after';
}

export class Crash extends Error {
  override readonly name = 'Crash';
}

/** A database that dies at one write, in the two ways a process can die around a commit. */
export interface FaultyDb extends Db {
  /** Without faults, for contexts that have crash tests of their own. */
  readonly real: Db;
  /** Writes begun so far. */
  readonly writes: () => number;
  /** Runs `then` when the transaction commits; for fakes that live outside of the database. */
  afterCommit(tx: Tx, then: () => void): void;
}

export function faultyDb(db: Db, plan?: FaultPlan): FaultyDb {
  const committing = new WeakMap<object, (then: () => void) => void>();
  let count = 0;
  return {
    engine: db.engine,
    real: db,
    writes: () => count,
    afterCommit: (tx, then) => {
      const add = committing.get(tx);
      if (add === undefined) throw new Error('not a write transaction of this database');
      add(then);
    },
    read: (work) => db.read(work),
    statement: (work) => db.statement(work),
    write: async (work) => {
      count += 1;
      const fails = plan?.at === count ? plan.mode : undefined;
      const result = await db.write(async (tx, afterCommit) => {
        committing.set(tx, afterCommit);
        const done = await work(tx, afterCommit);
        // Thrown at the end, so that the transaction had done all its work and loses it.
        if (fails === 'before') throw new Crash(`write ${count}, before the commit`);
        return done;
      });
      if (fails === 'after') throw new Crash(`write ${count}, after the commit`);
      return result;
    },
  };
}
