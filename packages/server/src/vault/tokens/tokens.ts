import type { Turn } from '#journal';
import { isRevoked } from '../lease/revoked.ts';
import { walk } from '../records.ts';
import {
  childPath,
  cubbyholePath,
  entryPath,
  expirePath,
  type TokenEntry,
  tokenCodec,
  tokenSpace,
} from './entry.ts';

/** The tokens of the installation, in a turn. */

/** The entry of a token that is still valid at the turn's moment. */
export function findToken(turn: Turn, accessor: string): TokenEntry | undefined {
  const entry = tokenSpace(turn).read(entryPath(accessor), tokenCodec);
  if (entry === undefined || (entry.expiresAt !== 0 && entry.expiresAt <= turn.now)) return undefined;
  return isRevoked(turn, entry) ? undefined : entry;
}

export function addToken(turn: Turn, entry: TokenEntry): void {
  const space = tokenSpace(turn);
  space.write(entryPath(entry.accessor), tokenCodec, entry);
  if (entry.parent !== undefined) space.put(childPath(entry.parent, entry.accessor), Buffer.from('1'));
  if (entry.expiresAt !== 0) space.put(expirePath(entry.expiresAt, entry.accessor), Buffer.from('1'));
}

export function changeToken(turn: Turn, before: TokenEntry, after: TokenEntry): void {
  const space = tokenSpace(turn);
  space.write(entryPath(after.accessor), tokenCodec, after);
  if (before.expiresAt === after.expiresAt) return;
  if (before.expiresAt !== 0) space.delete(expirePath(before.expiresAt, before.accessor));
  if (after.expiresAt !== 0) space.put(expirePath(after.expiresAt, after.accessor), Buffer.from('1'));
}

/** Removes the token, what only it could read, and all tokens made with it. Gives how many tokens went. */
export function revokeToken(turn: Turn, accessor: string): number {
  let count = 0;
  const due = [accessor];
  for (let next = due.pop(); next !== undefined; next = due.pop()) {
    for (const child of tokenSpace(turn).list(`token/child/${next}/`)) due.push(child);
    if (removeToken(turn, next)) count += 1;
  }
  return count;
}

/** Removes the token alone; what was made with it stands without a parent from now on. */
export function revokeOrphaning(turn: Turn, accessor: string): void {
  const space = tokenSpace(turn);
  for (const child of space.list(`token/child/${accessor}/`)) {
    space.delete(childPath(accessor, child));
    const entry = space.read(entryPath(child), tokenCodec);
    if (entry === undefined) continue;
    const { parent: _gone, ...rest } = entry;
    space.write(entryPath(child), tokenCodec, { ...rest, orphan: true });
  }
  removeToken(turn, accessor);
}

function removeToken(turn: Turn, accessor: string): boolean {
  const space = tokenSpace(turn);
  const entry = space.read(entryPath(accessor), tokenCodec);
  if (entry === undefined) return false;
  space.delete(entryPath(accessor));
  if (entry.parent !== undefined) space.delete(childPath(entry.parent, accessor));
  if (entry.expiresAt !== 0) space.delete(expirePath(entry.expiresAt, accessor));
  for (const path of [...walk(space, cubbyholePath(accessor))]) space.delete(path);
  return true;
}

/** Accessors of tokens whose time is up, oldest first, at most `limit`. */
export function dueTokens(turn: Turn, limit: number): readonly string[] {
  const space = tokenSpace(turn);
  const due: string[] = [];
  for (const second of space.list('token/expire/')) {
    if (Number(second.slice(0, -1)) * 1000 > turn.now) break;
    for (const accessor of space.list(`token/expire/${second}`)) {
      due.push(accessor);
      if (due.length >= limit) return due;
    }
  }
  return due;
}
