import type { Codec, Space } from '#journal';
import type { Records } from './backend.ts';

/** The records of a space whose paths begin with `prefix`, which ends with a slash. */
export function below(space: Space | Records, prefix: string): Records {
  return {
    has: (path) => space.has(prefix + path),
    get: (path) => space.get(prefix + path),
    put: (path, bytes) => space.put(prefix + path, bytes),
    read: (path, codec) => space.read(prefix + path, codec),
    write: (path, codec, value) => space.write(prefix + path, codec, value),
    delete: (path) => space.delete(prefix + path),
    list: (directory) => space.list(prefix + directory),
  };
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
