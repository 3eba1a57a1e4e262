import type { Codec, RecordAt, RecordPath, Space, Stamped } from '#journal';
import type { Records } from './backend.ts';

/** The records of a space whose paths begin with `prefix`, which ends with a slash. */
export function below(space: Space | Records, prefix: string): Records {
  return new Below(space, prefix);
}

/** A class, because each request makes one: its verbs are made once. */
class Below implements Records {
  readonly #space: Records;
  readonly #prefix: string;

  constructor(space: Records, prefix: string) {
    this.#space = space;
    this.#prefix = prefix;
  }

  at(directory: string, name: string): RecordAt {
    return this.#space.at(this.#prefix + directory, name);
  }

  has(path: RecordPath): boolean {
    return this.#space.has(this.#below(path));
  }

  get(path: RecordPath): Buffer | undefined {
    return this.#space.get(this.#below(path));
  }

  getStamped(path: RecordPath): Stamped | undefined {
    return this.#space.getStamped(this.#below(path));
  }

  put(path: RecordPath, bytes: Buffer): void {
    this.#space.put(this.#below(path), bytes);
  }

  read<T>(path: RecordPath, codec: Codec<T>): T | undefined {
    return this.#space.read(this.#below(path), codec);
  }

  write<T>(path: RecordPath, codec: Codec<T>, value: T): void {
    this.#space.write(this.#below(path), codec, value);
  }

  delete(path: RecordPath): void {
    this.#space.delete(this.#below(path));
  }

  list(directory: string): readonly string[] {
    return this.#space.list(this.#prefix + directory);
  }

  /** What `at` gave has the prefix already. */
  #below(path: RecordPath): RecordPath {
    return typeof path === 'string' ? this.#prefix + path : path;
  }
}

/** All paths below `directory`, depth first. */
export function* walk(records: Records, directory: string): Generator<string> {
  for (const name of records.list(directory)) {
    if (name.endsWith('/')) yield* walk(records, directory + name);
    else yield directory + name;
  }
}

/**
 * A record as JSON. What is written is what this code wrote before: the record's authenticity was checked when it was
 * opened, so it is read without a schema. `kept` only for what holds no secret.
 */
export function jsonCodec<T>(kept: boolean): Codec<T> {
  return {
    kept,
    decode: (bytes) => JSON.parse(bytes.toString('utf8')) as T,
    encode: (value) => Buffer.from(JSON.stringify(value)),
  };
}

/** A record that says only that it is there. */
export const emptyRecord = (): Buffer => Buffer.from('1');
