import type { Turn } from '#journal';
import { reaches } from '../mounts/environment.ts';
import { isVersionedKv, type Mount } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import type { Caller } from '../request/caller.ts';
import type { Holding, Place } from './places.ts';

export interface KnownPlace {
  readonly environment: string;
  readonly mount: Mount;
  readonly place: Place;
}

/**
 * Which holders of a value a caller may be told of: those whose value it may read anyway. What it may not read must not be
 * told apart from what is not there. `all` says whether nothing was left out.
 */
export function knownHolders(
  turn: Turn,
  caller: Caller | undefined,
  holding: Holding,
): { readonly known: readonly KnownPlace[]; readonly all: boolean } {
  const known: KnownPlace[] = [];
  let all = true;
  for (const [environment, { count, places }] of holding) {
    const here = places.flatMap((place) => {
      const mount = mountsOf(turn).mounts.find(({ id }) => id === place.mountId);
      return mount !== undefined && mayRead(caller, mount, place.path) ? [{ environment, mount, place }] : [];
    });
    known.push(...here);
    // Those that are not listed are of no use to whoever may read everything there.
    const whole = caller?.isRoot === true && reaches(caller, environment);
    if (here.length < count && !whole) all = false;
  }
  return { known, all };
}

/** As a request of this caller that reads the secret would be decided. */
function mayRead(caller: Caller | undefined, mount: Mount, path: string): boolean {
  if (caller === undefined || !reaches(caller, mount.environment)) return false;
  const { allowed } = caller.acl.check({
    operation: 'read',
    path: dataPath(mount, path),
    environment: mount.environment,
  });
  return allowed;
}

/** Where the value of a secret is read. */
export function dataPath(mount: Mount, path: string): string {
  return isVersionedKv(mount) ? `${mount.path}data/${path}` : mount.path + path;
}
