import { Fault } from '@sallyport/formats';
import type { Ciphers } from './ciphers.ts';
import { pathOf, type RecordAt, type RecordPath, recordIn } from './record-at.ts';
import type { HeldRecord, Records } from './records.ts';
import { type Codec, type RecordCipher, ScopeNotOpen, type Space, type Stamped } from './turn.ts';

/** What the spaces of a state need of it. */
export interface SpaceDeps {
  readonly ciphers: Ciphers;
  /** Throws unless a turn runs. */
  requireTurn(): void;
  /** The turn touched a scope that is not open. Told apart from the throw, which a decision may catch. */
  missing(scope: string): void;
  /** Puts a record in its place, or removes it, with a way back. */
  place(scope: string, records: Records, path: RecordPath, after: HeldRecord | undefined): void;
}

/** The index row of the table holds scope and path, and PostgreSQL bounds it (a third of a page). */
const maxPathBytes = 2000;

const stampSizeBytes = 6;

/** The records of one scope for all turns, one after another: to make it for each would cost as much as a look-up. */
export class HeldSpace implements Space {
  readonly scope: string;
  readonly #records: Records;
  readonly #deps: SpaceDeps;
  #cipher: RecordCipher | undefined;

  constructor(scope: string, records: Records, deps: SpaceDeps) {
    this.scope = scope;
    this.#records = records;
    this.#deps = deps;
  }

  /** At the beginning of each use: the scope may have been closed, or opened anew. */
  enter(): this {
    this.#cipher = this.#noticing(() => this.#deps.ciphers.get(this.scope));
    return this;
  }

  at(directory: string, name: string): RecordAt {
    return recordIn(directory, name);
  }

  has(path: RecordPath): boolean {
    this.#deps.requireTurn();
    return this.#records.has(path);
  }

  get(path: RecordPath): Buffer | undefined {
    const record = this.#find(path);
    return record === undefined ? undefined : this.#open(path, record);
  }

  getStamped(path: RecordPath): Stamped | undefined {
    const record = this.#find(path);
    if (record === undefined) return undefined;
    return { bytes: this.#open(path, record), stamp: stampOf(record.sealed) };
  }

  put(path: RecordPath, bytes: Buffer): void {
    this.#store(path, bytes, undefined);
  }

  read<T>(path: RecordPath, codec: Codec<T>): T | undefined {
    this.#deps.requireTurn();
    // Kept by the same codec: a path is read through one codec only.
    const kept = this.#records.valueOf(path);
    if (kept !== undefined) return kept as T;
    const record = this.#records.get(path);
    if (record === undefined) return undefined;
    const bytes = this.#open(path, record);
    try {
      const value = codec.decode(bytes);
      if (codec.kept) this.#records.keep(path, value);
      return value;
    } finally {
      bytes.fill(0);
    }
  }

  write<T>(path: RecordPath, codec: Codec<T>, value: T): void {
    this.#store(path, codec.encode(value), codec.kept ? value : undefined);
  }

  delete(path: RecordPath): void {
    if (this.has(path)) this.#deps.place(this.scope, this.#records, path, undefined);
  }

  list(directory: string): readonly string[] {
    this.#deps.requireTurn();
    return this.#records.children(directory);
  }

  #find(path: RecordPath): HeldRecord | undefined {
    this.#deps.requireTurn();
    return this.#records.get(path);
  }

  #open(path: RecordPath, { sealed }: HeldRecord): Buffer {
    return this.#noticing(() => this.#deps.ciphers.open(this.scope, this.#opened(), pathOf(path), sealed));
  }

  #store(path: RecordPath, bytes: Buffer, value: unknown): void {
    try {
      this.#deps.requireTurn();
      const address = pathOf(path);
      if (!isPath(address)) throw badPath(address);
      const sealed = this.#opened().seal(address, bytes);
      this.#deps.place(this.scope, this.#records, path, { sealed, value });
    } finally {
      bytes.fill(0);
    }
  }

  #opened(): RecordCipher {
    if (this.#cipher === undefined) throw new ScopeNotOpen(this.scope);
    return this.#cipher;
  }

  #noticing<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof ScopeNotOpen) this.#deps.missing(error.scope);
      throw error;
    }
  }
}

/** Of the authentication tag at the record's end, as much as a number holds exactly. */
function stampOf(sealed: Uint8Array): number {
  let stamp = 0;
  for (let at = sealed.length - stampSizeBytes; at < sealed.length; at += 1)
    stamp = stamp * 256 + (sealed[at] ?? 0);
  return stamp;
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
