import { Fault } from '@sallyport/formats';
import type { Ciphers } from './ciphers.ts';
import { pathOf, type RecordPath } from './record-at.ts';
import { type Change, createRecordSet, type RecordSet } from './record-set.ts';
import type { HeldRecord, Records } from './records.ts';
import { HeldSpace, type SpaceDeps } from './space.ts';
import type { StateHash, Sum } from './state-hash.ts';
import type { Turn } from './turn.ts';

/** All records in memory, changed in place with a way back. Not for concurrent use: the lane is its only caller. */
export interface State {
  /** Takes all records anew, or some changes of what it has; without a way back, they are durable already. */
  replace(records: RecordSet): void;
  load(changes: readonly Change[]): void;
  /** Runs `decide` on the state at `now`; the turn is of no use afterwards. `onMissing` hears of scopes not open. */
  turn<R>(now: number, decide: (turn: Turn) => R, onMissing?: (scope: string) => void): R;
  /** Where in the log of changes we are, for `backTo`. */
  mark(): number;
  backTo(mark: number): void;
  /** What changed since the last `settle`, each record once, as it is now; and the sum with it. */
  pending(): Pending;
  /** The changes are durable: there is no way back any more. */
  settle(sum: Sum): void;
  /** Seals the record again under the newest key, inside a turn. False when it is gone or has that key already. */
  rewrap(scope: string, path: string): boolean;
  /** Whether the record is as the change says. Never again, once it was not: each sealing gives other bytes. */
  holds(change: Change): boolean;
  /** The sealed records of a scope, for a walk that may go on while they change. */
  records(scope: string): IterableIterator<[path: string, sealed: Uint8Array]>;
  readonly sum: Sum;
  size(): number;
}

export interface Pending {
  readonly changes: readonly Change[];
  readonly sum: Sum;
}

interface Undo {
  readonly scope: string;
  readonly path: RecordPath;
  readonly before: HeldRecord | undefined;
  readonly after: Uint8Array | undefined;
}

/** A record before all changes that are not durable yet, and after them. */
interface Changed {
  readonly before: Uint8Array | undefined;
  after: Uint8Array | undefined;
}

export function createState(stateHash: StateHash, ciphers: Ciphers): State {
  let all = createRecordSet(stateHash);
  let undos: Undo[] = [];
  let spaces = new Map<string, HeldSpace>();
  let running: Turn | undefined;
  let heard: (scope: string) => void = () => undefined;

  const spaceDeps: SpaceDeps = {
    ciphers,
    place,
    requireTurn() {
      if (running === undefined) throw turnOver();
    },
    missing: (scope) => heard(scope),
  };

  function spaceOf(scope: string): HeldSpace {
    let space = spaces.get(scope);
    if (space === undefined) {
      space = new HeldSpace(scope, all.of(scope), spaceDeps);
      spaces.set(scope, space);
    }
    return space.enter();
  }

  function place(scope: string, records: Records, path: RecordPath, after: HeldRecord | undefined): void {
    const before = after === undefined ? records.delete(path) : records.set(path, after);
    undos.push({ scope, path, before, after: after?.sealed });
  }

  /** Each record once, by scope and path. */
  function changed(): ReadonlyMap<string, ReadonlyMap<string, Changed>> {
    const scopes = new Map<string, Map<string, Changed>>();
    for (const { scope, path, before, after } of undos) {
      let records = scopes.get(scope);
      if (records === undefined) {
        records = new Map();
        scopes.set(scope, records);
      }
      const address = pathOf(path);
      const known = records.get(address);
      if (known === undefined) records.set(address, { before: before?.sealed, after });
      else known.after = after;
    }
    return scopes;
  }

  function backTo(mark: number): void {
    while (undos.length > mark) {
      // The loop's condition says that there is one.
      const { scope, path, before } = undos.pop() as Undo;
      const records = all.of(scope);
      if (before === undefined) records.delete(path);
      else records.set(path, before);
    }
  }

  return {
    replace(records) {
      backTo(0);
      all = records;
      spaces = new Map();
    },
    load(changes) {
      backTo(0);
      for (const change of changes) all.load(change);
    },
    turn(now, decide, onMissing = () => undefined) {
      if (running !== undefined) throw turnInTurn();
      const began = undos.length;
      const turn: Turn = {
        now,
        space(scope) {
          if (running !== turn) throw turnOver();
          return spaceOf(scope);
        },
        undo() {
          if (running !== turn) throw turnOver();
          backTo(began);
        },
      };
      running = turn;
      heard = onMissing;
      try {
        return decide(turn);
      } finally {
        running = undefined;
      }
    },
    mark: () => undos.length,
    backTo,
    pending() {
      if (undos.length === 0) return { changes: [], sum: all.sum };
      const changes: Change[] = [];
      const sum = all.sum.slice();
      for (const [scope, records] of changed()) {
        for (const [path, { before, after }] of records) {
          if (isSame(after, before)) continue;
          if (before !== undefined) stateHash.subtract(sum, scope, path, before);
          if (after !== undefined) stateHash.add(sum, scope, path, after);
          changes.push({ scope, path, sealed: after });
        }
      }
      return { changes, sum };
    },
    settle(sum) {
      undos = [];
      all.sum = sum;
    },
    rewrap(scope, path) {
      const cipher = ciphers.get(scope);
      const records = all.of(scope);
      const record = records.get(path);
      if (record === undefined) return false;
      const { sealed, value } = record;
      if (cipher.keyVersionOf(sealed) >= cipher.newestVersion) return false;
      place(scope, records, path, { sealed: cipher.rewrap(path, sealed), value });
      return true;
    },
    holds: ({ scope, path, sealed }) =>
      sealed !== undefined && isSame(sealed, all.of(scope).get(path)?.sealed),
    records: (scope) => all.of(scope).entries(),
    get sum() {
      return all.sum;
    },
    size: () => all.size(),
  };
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === undefined || other === undefined ? one === other : Buffer.compare(one, other) === 0;
}

function turnInTurn(): Fault {
  return new Fault('internal', 'journal.turn_in_turn', 'a decision was begun within another one');
}

function turnOver(): Fault {
  return new Fault('internal', 'journal.turn_over', 'a decision went on after it had returned');
}
