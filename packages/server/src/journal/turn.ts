import type { RecordAt, RecordPath } from './record-at.ts';

/** Encrypts and decrypts the records of one scope; see the keyring. The address is the record's path. */
export interface RecordCipher {
  seal(address: string, plaintext: Uint8Array): Uint8Array;
  /** The plaintext, which the caller wipes, or `undefined` when the record is not what `seal` gave for this address. */
  open(address: string, sealed: Uint8Array): Buffer | undefined;
  /** The key version that `seal` uses. */
  readonly newestVersion: number;
  /** The key version of a sealed record, 0 for bytes that are none. */
  keyVersionOf(sealed: Uint8Array): number;
  /** The same record under the newest key version. Throws when its key does not open for this address. */
  rewrap(address: string, sealed: Uint8Array): Uint8Array;
  /** Takes over keys that another process made since. */
  refresh(): Promise<void>;
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
  /** For whoever asks again: `name` in `directory`, which is empty or ends with a slash. Good for this space only. */
  at(directory: string, name: string): RecordAt;
  has(path: RecordPath): boolean;
  /** The record in the clear, for the caller to wipe. Throws `journal.record_damaged`, which names the record. */
  get(path: RecordPath): Buffer | undefined;
  /** As `get`, with what differs between any two sealings: it tells whether a record is still the one of before. */
  getStamped(path: RecordPath): Stamped | undefined;
  /**
   * Takes the bytes: they are sealed and wiped, also on a throw. A path has 1 to 2,000 bytes of UTF-8 and no NUL, else
   * `journal.path`.
   */
  put(path: RecordPath, bytes: Buffer): void;
  /** As `get`, decoded. What it gives is shared and must not be changed. */
  read<T>(path: RecordPath, codec: Codec<T>): T | undefined;
  write<T>(path: RecordPath, codec: Codec<T>, value: T): void;
  delete(path: RecordPath): void;
  /** Names right below `directory` (empty, or ending with "/"), sorted by bytes; names with more below end with "/". */
  list(directory: string): readonly string[];
}

export interface Stamped {
  readonly bytes: Buffer;
  readonly stamp: number;
}

/** What a decision is made on: all records at one moment, and that moment. Good until the decision returns. */
export interface Turn {
  /**
   * Milliseconds since the epoch: never less than in any turn before it in this process, nor than in any turn, of any
   * replica, whose changes this one sees.
   */
  readonly now: number;
  space(scope: string): Space;
  /** Undoes what this decision changed so far, for a refusal that is found late. */
  undo(): void;
}

/**
 * A decision touched a scope whose key is not in memory. The lane opens it and decides again; a `peek` throws it, and
 * its caller calls `openScope`.
 */
export class ScopeNotOpen extends Error {
  override readonly name = 'ScopeNotOpen';
  readonly scope: string;
  constructor(scope: string) {
    super(`the scope "${scope}" is not open`);
    this.scope = scope;
  }
}
