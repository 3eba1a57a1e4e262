import type { Turn } from '#journal';
import { entryPath, type TokenEntry, tokenCodec, tokenSpace } from '../tokens/entry.ts';
import { findToken } from '../tokens/tokens.ts';
import { leaseIdOf } from './revoked.ts';

/** The token behind a lease that is still running. A token without an end has no lease. */
export function findLease(turn: Turn, leaseId: string): TokenEntry | undefined {
  const accessor = leaseId.slice(leaseId.lastIndexOf('/') + 1);
  const entry = accessor === '' ? undefined : findToken(turn, accessor);
  return entry === undefined || entry.expiresAt === 0 || leaseIdOf(entry) !== leaseId ? undefined : entry;
}

/**
 * Every token whose lease id begins with `prefix`, also those whose time is up and whose record is still there. Looks
 * through all tokens: what asks for it is rare, and an index would cost every login.
 */
export function* tokensBelow(turn: Turn, prefix: string): Generator<TokenEntry> {
  const space = tokenSpace(turn);
  for (const accessor of space.list('token/id/')) {
    const entry = space.read(entryPath(accessor), tokenCodec);
    if (entry !== undefined && leaseIdOf(entry).startsWith(prefix)) yield entry;
  }
}

/** Names right below `directory`, which is empty or ends with a slash; those with more below end with one. */
export function listLeases(
  turn: Turn,
  directory: string,
  isKnown: (entry: TokenEntry) => boolean,
): readonly string[] {
  const names = new Set<string>();
  for (const entry of runningBelow(turn, directory)) {
    if (!isKnown(entry)) continue;
    const rest = leaseIdOf(entry).slice(directory.length);
    const slash = rest.indexOf('/');
    names.add(slash < 0 ? rest : rest.slice(0, slash + 1));
  }
  return [...names].sort();
}

/** Leases of tokens that are running below `prefix`. */
export function* runningBelow(turn: Turn, prefix: string): Generator<TokenEntry> {
  for (const entry of tokensBelow(turn, prefix)) {
    if (entry.expiresAt > turn.now && findToken(turn, entry.accessor) !== undefined) yield entry;
  }
}
