import { setImmediate as nextRound } from 'node:timers/promises';
import type { Journal, Turn } from '#journal';
import type { Records } from '../backend.ts';
import { metadataDirectory } from '../kv/metadata.ts';
import { v1Directory } from '../kv/v1.ts';
import { isVersionedKv, type Mount, scopeOfEnvironment } from '../mounts/mount.ts';
import { below } from '../records.ts';

interface Level {
  readonly directory: string;
  readonly names: readonly string[];
  at: number;
}

/** In one look at the state: a millisecond or two, so that requests wait for no list. */
const portion = 64;

/**
 * All secrets of a mount in the order of the bytes of their paths, those after `after` only, each given to `look` together
 * with the mount's records; what it gives comes out in portions. Between two portions requests have their turn: what is
 * written meanwhile may or may not be seen.
 */
export async function* walkSecrets<R>(
  journal: Pick<Journal, 'peek' | 'openScope'>,
  mount: Mount,
  after: string | undefined,
  look: (turn: Turn, store: Records, path: string) => R | undefined,
): AsyncGenerator<readonly R[], void> {
  const scope = scopeOfEnvironment(mount.environment);
  const root = isVersionedKv(mount) ? metadataDirectory : v1Directory;
  await journal.openScope(scope);
  const levels: Level[] = [];
  let begun = false;

  function some(turn: Turn): readonly R[] {
    const store = below(turn.space(scope), `mount/${mount.id}/`);
    if (!begun) {
      begun = true;
      levels.push({ directory: '', names: store.list(root), at: 0 });
    }
    const found: R[] = [];
    for (let looked = 0; looked < portion && levels.length > 0; looked += 1) {
      const level = levels.at(-1) as Level;
      const name = level.names[level.at];
      level.at += 1;
      if (name === undefined) {
        levels.pop();
        continue;
      }
      const path = level.directory + name;
      if (path.endsWith('/')) {
        if (mayHoldLater(path, after))
          levels.push({ directory: path, names: store.list(root + path), at: 0 });
      } else if (after === undefined || compareBytes(path, after) > 0) {
        const row = look(turn, store, path);
        if (row !== undefined) found.push(row);
      }
    }
    return found;
  }

  while (!begun || levels.length > 0) {
    const found = journal.peek(some);
    if (found.length > 0) yield found;
    await nextRound();
  }
}

/** Whether something below the directory comes after `after`. */
function mayHoldLater(directory: string, after: string | undefined): boolean {
  return after === undefined || after.startsWith(directory) || compareBytes(directory, after) > 0;
}

export function compareBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
