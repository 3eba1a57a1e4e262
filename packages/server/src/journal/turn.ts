import { Fault } from '@sallyport/formats';
import { createRecords, type HeldRecord, type Records } from './records.ts';

/** Encrypts and decrypts the records of one scope; see the keyring. The address is the record's path. */
export interface RecordCipher {
  seal(address: string, plaintext: Uint8Array): Uint8Array;
  /** The plaintext, which the caller wipes, or `undefined` when the record is not what `seal` gave for this address. */
  open(address: string, sealed: Uint8Array): Buffer | undefined;
}

/** How a record becomes a value. */
export interface Codec<T> {
  decode(bytes: Buffer): T;
  encode(value: T): Buffer;
  /** Whether the decoded value may stay in memory: only where it holds no secret. */
  readonly kept: boolean;
}

/** The records of one scope, as a decision sees them. Everything it changes is undone if the decision throws. */
export interface Space {
  readonly scope: string;
  has(path: string): boolean;
  /** The record in the clear, for the caller to wipe. Throws `journal.record_damaged`, which names the record. */
  get(path: string): Buffer | undefined;
  /** Takes the bytes: they are sealed and wiped. */
  put(path: string, bytes: Buffer): void;
  /** As `get`, decoded. What it gives is shared and must not be changed. */
  read<T>(path: string, codec: Codec<T>): T | undefined;
  write<T>(path: string, codec: Codec<T>, value: T): void;
  delete(path: string): void;
  /** Names right below `directory` (empty, or ending with "/"), sorted; names with more below end with "/". */
  list(directory: string): readonly string[];
}

/** What a decision is made on: all records at one moment, and that moment. */
export interface Turn {
  /** Milliseconds since the epoch; never less than in any turn before it, on any replica. */
  readonly now: number;
  space(scope: string): Space;
  /** Undoes what this decision changed so far, for a refusal that is found late. */
  undo(): void;
}

/** A decision touched a scope whose key is not in memory; the lane opens it and decides again. */
export class ScopeNotOpen extends Error {
  override readonly name = 'ScopeNotOpen';
  readonly scope: string;
  constructor(scope: string) {
    super(`the scope "${scope}" is not open`);
    this.scope = scope;
  }
}

interface Undo {
  readonly scope: string;
  readonly path: string;
  readonly before: HeldRecord | undefined;
}

export interface Change {
  readonly scope: string;
  readonly path: string;
  /** Absent when the record is gone. */
  readonly sealed: Uint8Array | undefined;
}

/** All records in memory, changed in place with a way back. Not for concurrent use: the lane is its only caller. */
export interface State {
  readonly openScopes: readonly string[];
  open(scope: string, cipher: RecordCipher): void;
  /** Takes what the store says, without a way back: it is durable already. */
  load(change: Change): void;
  turn(now: number): Turn;
  /** Where in the log of changes we are, for `backTo`. */
  mark(): number;
  backTo(mark: number): void;
  /** What changed since the last `settle`, each record once, as it is now. */
  changes(): readonly Change[];
  /** The changes are durable: there is no way back any more. */
  settle(): void;
  /** How many records there are. */
  size(): number;
}

export function createState(): State {
  const scopes = new Map<string, Records>();
  const ciphers = new Map<string, RecordCipher>();
  let undos: Undo[] = [];

  function recordsOf(scope: string): Records {
    let records = scopes.get(scope);
    if (records === undefined) {
      records = createRecords();
      scopes.set(scope, records);
    }
    return records;
  }

  function place(scope: string, records: Records, path: string, after: HeldRecord | undefined): void {
    undos.push({ scope, path, before: records.get(path) });
    if (after === undefined) records.delete(path);
    else records.set(path, after);
  }

  function open(scope: string, cipher: RecordCipher, path: string, record: HeldRecord): Buffer {
    const bytes = cipher.open(path, record.sealed);
    if (bytes === undefined) throw damaged(scope, path);
    return bytes;
  }

  function spaceOf(scope: string): Space {
    const cipher = ciphers.get(scope);
    if (cipher === undefined) throw new ScopeNotOpen(scope);
    const records = recordsOf(scope);
    return {
      scope,
      has: (path) => records.get(path) !== undefined,
      get(path) {
        const record = records.get(path);
        return record === undefined ? undefined : open(scope, cipher, path, record);
      },
      put(path, bytes) {
        const sealed = cipher.seal(path, bytes);
        bytes.fill(0);
        place(scope, records, path, { sealed, value: undefined });
      },
      read<T>(path: string, codec: Codec<T>): T | undefined {
        const record = records.get(path);
        if (record === undefined) return undefined;
        // Kept by the same codec: a path is read through one codec only.
        if (record.value !== undefined) return record.value as T;
        const bytes = open(scope, cipher, path, record);
        const value = codec.decode(bytes);
        bytes.fill(0);
        if (codec.kept) record.value = value;
        return value;
      },
      write<T>(path: string, codec: Codec<T>, value: T) {
        const bytes = codec.encode(value);
        const sealed = cipher.seal(path, bytes);
        bytes.fill(0);
        place(scope, records, path, { sealed, value: codec.kept ? value : undefined });
      },
      delete(path) {
        if (records.get(path) !== undefined) place(scope, records, path, undefined);
      },
      list: (directory) => records.children(directory),
    };
  }

  function backTo(mark: number): void {
    while (undos.length > mark) {
      // The loop's condition says that there is one.
      const { scope, path, before } = undos.pop() as Undo;
      const records = recordsOf(scope);
      if (before === undefined) records.delete(path);
      else records.set(path, before);
    }
  }

  return {
    get openScopes() {
      return [...ciphers.keys()];
    },
    open: (scope, cipher) => void ciphers.set(scope, cipher),
    load({ scope, path, sealed }) {
      const records = recordsOf(scope);
      if (sealed === undefined) records.delete(path);
      else records.set(path, { sealed, value: undefined });
    },
    turn(now) {
      const began = undos.length;
      const spaces = new Map<string, Space>();
      return {
        now,
        space(scope) {
          let space = spaces.get(scope);
          if (space === undefined) {
            space = spaceOf(scope);
            spaces.set(scope, space);
          }
          return space;
        },
        undo: () => backTo(began),
      };
    },
    mark: () => undos.length,
    backTo,
    changes() {
      const seen = new Set<string>();
      const changes: Change[] = [];
      for (const { scope, path } of undos) {
        const key = `${scope}\0${path}`;
        if (seen.has(key)) continue;
        seen.add(key);
        changes.push({ scope, path, sealed: recordsOf(scope).get(path)?.sealed });
      }
      return changes;
    },
    settle() {
      undos = [];
    },
    size: () => [...scopes.values()].reduce((sum, records) => sum + records.size, 0),
  };
}

function damaged(scope: string, path: string): Fault {
  return new Fault(
    'integrity',
    'journal.record_damaged',
    `the record "${path}" of ${scope} is not what was written there`,
    { hint: 'the database was changed from outside; restore this record from a backup', details: { scope, path } },
  );
}
