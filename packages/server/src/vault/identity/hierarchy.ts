import type { Turn } from '#journal';
import { badRequest } from '../errors.ts';
import { directGroupIds, findGroup, type Group, maxGroupDepth } from './groups.ts';

/**
 * Throws when `group`, as it would be written, were a member of itself through other groups, or stood in a chain longer
 * than is followed: rights, and worse, denials of a group too far up would be lost without a word.
 */
export function requireHierarchy(turn: Turn, group: Group): void {
  const below = longestWay(group.memberGroupIds, (id) => {
    if (id === group.id) throw badRequest(`cyclic relationship detected for member group ID "${id}"`);
    return findGroup(turn, id)?.memberGroupIds ?? [];
  });
  const above = longestWay(directGroupIds(turn, group.id), (id) => directGroupIds(turn, id));
  if (below + 1 + above > maxGroupDepth) {
    throw badRequest(`expected at most ${maxGroupDepth} groups in a chain, got ${below + 1 + above}`);
  }
}

/** How many groups the longest way from one of `first` has. Each group is looked at once; there is no cycle but a new one. */
function longestWay(first: readonly string[], next: (id: string) => readonly string[]): number {
  const known = new Map<string, number>();
  function from(id: string): number {
    const length = known.get(id);
    if (length !== undefined) return length;
    // Whatever is stored, looking ends.
    known.set(id, 0);
    const found = 1 + next(id).reduce((most, each) => Math.max(most, from(each)), 0);
    known.set(id, found);
    return found;
  }
  return first.reduce((most, id) => Math.max(most, from(id)), 0);
}
