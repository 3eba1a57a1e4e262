import type { Records } from '../backend.ts';
import { jsonCodec } from '../records.ts';
import type { ChangedKey, KeyVersion, TransitKey, VersionSecret } from './key.ts';

/**
 * Keys below a mount. A key and the secrets of its versions are records of their own: the key holds nothing secret and
 * may stay decoded in memory, a secret is opened when its version is first used.
 */

const directory = 'key/';
/** Outside of `key/`, so that no name of a key leads to it. */
const wrappingPath = 'wrapping-key';
const keyCodec = jsonCodec<TransitKey>(true);
const secretCodec = jsonCodec<VersionSecret>(false);

export function hasKey(store: Records, name: string): boolean {
  return store.has(directory + name);
}

export function findKey(store: Records, name: string): TransitKey | undefined {
  return store.read(directory + name, keyCodec);
}

export function listKeyNames(store: Records): readonly string[] {
  return store.list(directory);
}

/** The key and the secrets that came with it. Secrets of versions that `before` had and `key` has not are forgotten. */
export function putKey(store: Records, { key, secrets }: ChangedKey, before: TransitKey | undefined): void {
  store.write(directory + key.name, keyCodec, key);
  putSecrets(store, secrets);
  if (before !== undefined) forgetSecrets(store, before, key);
}

export function removeKey(store: Records, key: TransitKey): void {
  store.delete(directory + key.name);
  forgetSecrets(store, key, undefined);
}

export function findSecret(store: Records, { id }: KeyVersion): VersionSecret | undefined {
  return store.read(secretPath(id), secretCodec);
}

/** The key that unwraps imported keys of this mount. */
export function findWrappingKey(store: Records): TransitKey | undefined {
  return store.read(wrappingPath, keyCodec);
}

export function putWrappingKey(store: Records, { key, secrets }: ChangedKey): void {
  store.write(wrappingPath, keyCodec, key);
  putSecrets(store, secrets);
}

function putSecrets(store: Records, secrets: ChangedKey['secrets']): void {
  for (const [id, secret] of Object.entries(secrets)) store.write(secretPath(id), secretCodec, secret);
}

function forgetSecrets(store: Records, before: TransitKey, after: TransitKey | undefined): void {
  const kept = new Set(Object.values(after?.versions ?? {}).map(({ id }) => id));
  for (const { id } of Object.values(before.versions)) if (!kept.has(id)) store.delete(secretPath(id));
}

const secretPath = (id: string): string => `secret/${id}`;
