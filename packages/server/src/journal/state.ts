import { Fault } from '@sallyport/formats';
import type { Ciphers } from './ciphers.ts';
import { type Change, createRecordSet, type RecordSet } from './record-set.ts';
import type { HeldRecord, Records } from './records.ts';
import type { StateHash, Sum } from './state-hash.ts';
import { type Codec, ScopeNotOpen, type Space, type Turn } from './turn.ts';

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
  /** The records of a scope, for a walk that may go on while they change. */
  records(scope: string): IterableIterator<[string, HeldRecord]>;
  readonly sum: Sum;
  size(): number;
}

export interface Pending {
  readonly changes: readonly Change[];
  readonly sum: Sum;
}

interface Undo {
  readonly scope: string;
  readonly path: string;
  readonly before: HeldRecord | undefined;
}

/** The index row of the table holds scope and path, and PostgreSQL bounds it (a third of a page). */
const maxPathBytes = 2000;

export function createState(stateHash: StateHash, ciphers: Ciphers): State {
  let all = createRecordSet(stateHash);
  let undos: Undo[] = [];

  function place(scope: string, records: Records, path: string, after: HeldRecord | undefined): void {
    undos.push({ scope, path, before: records.get(path) });
    if (after === undefined) records.delete(path);
    else records.set(path, after);
  }

  function spaceOf(scope: string, over: () => boolean, onMissing: (scope: string) => void): Space {
    const cipher = noticing(onMissing, () => ciphers.get(scope));
    const records = all.of(scope);

    function find(path: string): HeldRecord | undefined {
      if (over()) throw turnOver();
      return records.get(path);
    }
    const open = (path: string, record: HeldRecord): Buffer =>
      noticing(onMissing, () => ciphers.open(scope, cipher, path, record));

    function store(path: string, bytes: Buffer, value: unknown): void {
      try {
        if (over()) throw turnOver();
        if (!isPath(path)) throw badPath(path);
        const sealed = latin1(cipher.seal(path, bytes));
        place(scope, records, path, { sealed, value });
      } finally {
        bytes.fill(0);
      }
    }

    return {
      scope,
      has: (path) => find(path) !== undefined,
      get(path) {
        const record = find(path);
        return record === undefined ? undefined : open(path, record);
      },
      put: (path, bytes) => store(path, bytes, undefined),
      read<T>(path: string, codec: Codec<T>): T | undefined {
        const record = find(path);
        if (record === undefined) return undefined;
        // Kept by the same codec: a path is read through one codec only.
        if (record.value !== undefined) return record.value as T;
        const bytes = open(path, record);
        try {
          const value = codec.decode(bytes);
          if (codec.kept) record.value = value;
          return value;
        } finally {
          bytes.fill(0);
        }
      },
      write<T>(path: string, codec: Codec<T>, value: T) {
        store(path, codec.encode(value), codec.kept ? value : undefined);
      },
      delete(path) {
        if (find(path) !== undefined) place(scope, records, path, undefined);
      },
      list(directory) {
        if (over()) throw turnOver();
        return records.children(directory);
      },
    };
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
    },
    load(changes) {
      backTo(0);
      for (const change of changes) all.load(change);
    },
    turn(now, decide, onMissing = () => undefined) {
      const began = undos.length;
      const spaces = new Map<string, Space>();
      let over = false;
      const turn: Turn = {
        now,
        space(scope) {
          let space = spaces.get(scope);
          if (space === undefined) {
            space = spaceOf(scope, () => over, onMissing);
            spaces.set(scope, space);
          }
          return space;
        },
        undo() {
          if (over) throw turnOver();
          backTo(began);
        },
      };
      try {
        return decide(turn);
      } finally {
        over = true;
      }
    },
    mark: () => undos.length,
    backTo,
    pending() {
      if (undos.length === 0) return { changes: [], sum: all.sum };
      const seen = new Set<string>();
      const changes: Change[] = [];
      const sum = all.sum.slice();
      for (const { scope, path, before } of undos) {
        // The first mention has what is durable.
        const key = `${scope}\0${path}`;
        if (seen.has(key)) continue;
        seen.add(key);
        const sealed = all.of(scope).get(path)?.sealed;
        if (sealed === before?.sealed) continue;
        if (before !== undefined) stateHash.subtract(sum, scope, path, before.sealed);
        if (sealed !== undefined) stateHash.add(sum, scope, path, sealed);
        changes.push({ scope, path, sealed });
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
      const sealed = Buffer.from(record.sealed, 'latin1');
      if (cipher.keyVersionOf(sealed) >= cipher.newestVersion) return false;
      place(scope, records, path, { sealed: latin1(cipher.rewrap(path, sealed)), value: record.value });
      return true;
    },
    records: (scope) => all.of(scope).entries(),
    get sum() {
      return all.sum;
    },
    size: () => all.size(),
  };
}

function noticing<T>(onMissing: (scope: string) => void, work: () => T): T {
  try {
    return work();
  } catch (error) {
    // Told apart from the throw, which the decision may catch.
    if (error instanceof ScopeNotOpen) onMissing(error.scope);
    throw error;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function isPath(path: string): boolean {
  // PostgreSQL takes no NUL in a text; one such path would fail the whole batch of other people's requests.
  return (
    path !== '' && path.length <= maxPathBytes && !path.includes('\0') && path.isWellFormed() && fits(path)
  );
}

function fits(path: string): boolean {
  return 3 * path.length <= maxPathBytes || Buffer.byteLength(path) <= maxPathBytes;
}

function badPath(path: string): Fault {
  return new Fault(
    'invalid',
    'journal.path',
    `expected a path of 1 to ${maxPathBytes} bytes of UTF-8 without NUL, got ${path.length} characters`,
  );
}

function turnOver(): Fault {
  return new Fault('internal', 'journal.turn_over', 'a decision went on after it had returned');
}
