import type { Turn } from '#journal';
import type { Backend } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { revokeBelow } from '../lease/revocation.ts';
import { below } from '../records.ts';
import { type Mount, scopeOfEnvironment } from './mount.ts';
import { leaveForRemoval } from './removed.ts';
import { mountsOf, writeMounts } from './table.ts';

/** Throws when the path overlaps with another mount's: which of the two is meant would depend on the length of a path. */
export function addMount(turn: Turn, backend: Backend, mount: Mount): void {
  requireFree(turn, mount.path);
  writeMounts(turn, [...mountsOf(turn).mounts, mount]);
  const store = below(turn.space(scopeOfEnvironment(mount.environment)), `mount/${mount.id}/`);
  backend.onMount?.({ mount, store, now: turn.now });
}

/**
 * The mount is gone in this turn; its records go by and by, and nothing leads to them any more. The tokens that a login
 * method gave out end with it.
 */
export function removeMount(turn: Turn, mount: Mount): void {
  writeMounts(
    turn,
    mountsOf(turn).mounts.filter((each) => each.id !== mount.id),
  );
  leaveForRemoval(turn, mount);
  if (mount.kind === 'auth') revokeBelow(turn, mount.path);
}

/** Records stay where they are: they are under the mount's id. */
export function moveMount(turn: Turn, mount: Mount, path: string): void {
  requireFree(turn, path);
  changeMount(turn, { ...mount, path });
  // Their leases are named after where they were made; nobody could find them there any more.
  if (mount.kind === 'auth') revokeBelow(turn, mount.path);
}

export function changeMount(turn: Turn, changed: Mount): void {
  writeMounts(
    turn,
    mountsOf(turn).mounts.map((each) => (each.id === changed.id ? changed : each)),
  );
}

function requireFree(turn: Turn, path: string): void {
  const taken = mountsOf(turn).conflict(path);
  if (taken !== undefined) throw badRequest(`path is already in use at ${taken.path.replace(/^auth\//, '')}`);
}
