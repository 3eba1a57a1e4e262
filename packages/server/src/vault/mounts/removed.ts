import type { Turn } from '#journal';
import { forgetSecret } from '../kv/removed.ts';
import { below, jsonCodec, walk } from '../records.ts';
import { type Mount, scopeOfEnvironment } from './mount.ts';

interface Removed {
  readonly environment: string;
  readonly type: string;
}

const directory = 'core/removed/';
const codec = jsonCodec<Removed>(true);

/** Remembers that the records of this mount are to go. */
export function leaveForRemoval(turn: Turn, mount: Mount): void {
  turn.space('system').write(directory + mount.id, codec, {
    environment: mount.environment,
    type: mount.type,
  });
}

/**
 * Deletes at most `limit` records of mounts that were removed, and gives how many; call it until 0. In portions,
 * because a mount may have more records than one batch should hold.
 */
export function removeSome(turn: Turn, limit: number): number {
  const system = turn.space('system');
  let count = 0;
  for (const id of system.list(directory)) {
    const removed = system.read(directory + id, codec);
    if (removed === undefined) continue;
    const records = below(turn.space(scopeOfEnvironment(removed.environment)), `mount/${id}/`);
    for (const path of walk(records, '')) {
      if (count >= limit) return count;
      if (removed.type === 'kv') forgetSecret(turn, { id, environment: removed.environment }, records, path);
      records.delete(path);
      count += 1;
    }
    if (count >= limit) return count;
    system.delete(directory + id);
    count += 1;
  }
  return count;
}
