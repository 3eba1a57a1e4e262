import type { Codec, Space, Stamped } from '#journal';
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

  has(path: string): boolean {
    return this.#space.has(this.#prefix + path);
  }

  get(path: string): Buffer | undefined {
    return this.#space.get(this.#prefix + path);
  }

  getStamped(path: string): Stamped | undefined {
    return this.#space.getStamped(this.#prefix + path);
  }

  put(path: string, bytes: Buffer): void {
    this.#space.put(this.#prefix + path, bytes);
  }

  read<T>(path: string, codec: Codec<T>): T | undefined {
    return this.#space.read(this.#prefix + path, codec);
  }

  write<T>(path: string, codec: Codec<T>, value: T): void {
    this.#space.write(this.#prefix + path, codec, value);
  }

  delete(path: string): void {
    this.#space.delete(this.#prefix + path);
  }

  list(directory: string): readonly string[] {
    return this.#space.list(this.#prefix + directory);
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
