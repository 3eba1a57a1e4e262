import type { Records } from '../backend.ts';
import { findValue, isDeleted, type SecretMetadata } from '../kv/metadata.ts';
import { rawMembers } from '../raw-member.ts';

/** The names in the current version, sorted; `undefined` when it has no value. */
export function keysOf(
  store: Records,
  path: string,
  metadata: SecretMetadata,
  now: number,
): readonly string[] | undefined {
  const facts = metadata.versions[metadata.current];
  if (facts === undefined || facts.destroyed || isDeleted(facts, now)) return undefined;
  const value = findValue(store, path, metadata.current);
  if (value === undefined) return undefined;
  try {
    return rawMembers(value)
      .map(({ name }) => name)
      .sort();
  } finally {
    value.fill(0);
  }
}

/** All values that are there, for whoever compares with them; to be wiped. */
export function valuesOf(store: Records, path: string, metadata: SecretMetadata): readonly Buffer[] {
  return Object.keys(metadata.versions).flatMap((version) => {
    const value = findValue(store, path, Number(version));
    return value === undefined ? [] : [value];
  });
}
