import { Fault } from '@sallyport/formats';
import type { Turn } from '#journal';
import type { Core } from '../core.ts';
import { configOf, putConfig } from '../kv/metadata.ts';
import { addMount } from '../mounts/change.ts';
import { isVersionedKv, type Mount, scopeOfEnvironment } from '../mounts/mount.ts';
import { newMount } from '../mounts/new-mount.ts';
import { isReserved } from '../mounts/paths.ts';
import { mountsOf } from '../mounts/table.ts';
import { below } from '../records.ts';

/**
 * How many versions a secret keeps where nobody said otherwise. More than Vault's ten: a grant names the version that
 * was current when it was made, and must find it until it ends.
 */
const keptVersions = 100;

/** The mount of an environment: versioned secrets at `<project>/<environment>/`. Absent until something was written. */
export function environmentMount(turn: Turn, environment: string): Mount | undefined {
  const path = `${environment}/`;
  const mount = mountsOf(turn).at(path);
  if (mount === undefined) return undefined;
  if (mount.kind === 'secret' && isVersionedKv(mount) && mount.environment === environment) return mount;
  throw taken(path, `a mount of type ${mount.type} in ${mount.environment}`);
}

/** As `environmentMount`, made when it is missing. Throws `vault.mount_taken` where it cannot be. */
export function makeEnvironmentMount(turn: Turn, core: Core, environment: string): Mount {
  const found = environmentMount(turn, environment);
  if (found !== undefined) return found;
  const path = `${environment}/`;
  if (isReserved(path, 'secret')) throw taken(path, 'a part of the server itself');
  const other = mountsOf(turn).conflict(path);
  if (other !== undefined) throw taken(path, `the mount ${other.path}`);
  const backend = core.backends.secret.get('kv-v2');
  if (backend === undefined) throw new Fault('internal', 'vault.no_engine', 'the engine kv-v2 is missing');
  const mount = newMount({
    path,
    kind: 'secret',
    type: 'kv',
    environment,
    options: { version: '2' },
    description: `secrets of ${environment}`,
  });
  addMount(turn, backend, mount);
  const store = below(turn.space(scopeOfEnvironment(environment)), `mount/${mount.id}/`);
  putConfig(store, { ...configOf(store), maxVersions: keptVersions });
  return mount;
}

function taken(path: string, by: string): Fault {
  return new Fault(
    'precondition',
    'vault.mount_taken',
    `expected versioned secrets of this environment at ${path}, found ${by}`,
    {
      hint: 'move the other mount away (vault secrets move), then try again: the right one is made by itself',
    },
  );
}
