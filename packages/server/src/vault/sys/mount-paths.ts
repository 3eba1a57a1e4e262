import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest, unsupportedOperation } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { addMount, removeMount } from '../mounts/change.ts';
import { mayKnow, requireReach } from '../mounts/environment.ts';
import { describeMount, type Mount } from '../mounts/mount.ts';
import { cannotMount, isReserved, mountPath } from '../mounts/paths.ts';
import { mountsOf } from '../mounts/table.ts';
import { type MountKind, mountOf } from './mount-input.ts';
import { tuneMount, tuningOf } from './tune.ts';

const tuneSuffix = '/tune';

/** `sys/mounts` for engines, and `sys/auth` for login methods: the same under two names. */
export function mountPaths(kind: MountKind): readonly PathSpec[] {
  const root = kind === 'auth' ? 'auth' : 'mounts';
  const thing = kind === 'auth' ? 'login method' : 'secrets engine';
  // Who changes who may log in can become anybody.
  const guard = kind === 'auth' ? { sudo: true as const } : {};
  return [
    {
      pattern: root,
      synopsis: `List the mounted ${thing}s.`,
      on: { read: (call) => ({ data: tableOf(call, kind), flat: true }) },
    },
    {
      pattern: `${root}/:path*`,
      synopsis: `Mount a ${thing} at a path, show it or remove it; with /tune behind the path, show or change its settings.`,
      fields: {
        type: { type: 'string', doc: `The type of the ${thing}.` },
        description: { type: 'string', doc: 'For people.' },
        config: {
          type: 'object',
          doc: 'default_lease_ttl, max_lease_ttl, listing_visibility and other settings.',
        },
        options: { type: 'map', doc: 'Options of the type, such as the version of kv.' },
        environment: { type: 'string', doc: 'project/environment whose key the records are under.' },
        local: { type: 'boolean', doc: 'Kept, and without a meaning here: there is no replication.' },
        seal_wrap: {
          type: 'boolean',
          doc: 'Kept, and without a meaning here: all records are under the seal.',
        },
      },
      ...guard,
      on: {
        read: (call) => read(call, kind),
        update: (call) => update(call, kind),
        delete: (call) => unmount(call, kind),
      },
    },
  ];
}

/** As clients name them: login methods without `auth/`. */
export function shownPath(mount: Mount): string {
  return mount.kind === 'auth' ? mount.path.slice('auth/'.length) : mount.path;
}

function tableOf(call: Call, kind: MountKind): JsonObject {
  const shown = mountsOf(call.turn).mounts.filter(
    (mount) => (mount.kind === 'auth') === (kind === 'auth') && mayKnow(call.caller, mount),
  );
  return Object.fromEntries(shown.map((mount) => [shownPath(mount), describeMount(mount)]));
}

function read(call: Call, kind: MountKind): Reply {
  const text = requirePath(call);
  if (text.endsWith(tuneSuffix)) {
    const found = findKnown(call, kind, text.slice(0, -tuneSuffix.length));
    if (found === undefined)
      throw badRequest(`cannot fetch sysview for path "${text.slice(0, -tuneSuffix.length)}/"`);
    return { data: tuningOf(found), flat: true };
  }
  const found = findKnown(call, kind, text);
  if (found === undefined) {
    throw badRequest(kind === 'auth' ? `No auth engine at ${text}/` : `No secret engine mount at ${text}/`);
  }
  return { data: describeMount(found), flat: true };
}

function update(call: Call, kind: MountKind): Reply {
  const text = requirePath(call);
  if (text.endsWith(tuneSuffix)) {
    const found = findKnown(call, kind, text.slice(0, -tuneSuffix.length));
    if (found === undefined) throw badRequest(`no mount found at "${text.slice(0, -tuneSuffix.length)}/"`);
    requireReach(call.caller, found.environment);
    return tuneMount(call, found);
  }
  const path = mountPath(text);
  if (isReserved(path, kind)) throw cannotMount(path);
  const { backend, mount } = mountOf(call, kind, kind === 'auth' ? `auth/${path}` : path);
  addMount(call.turn, backend, mount);
  return {};
}

/** Nothing is told about whether there was a mount, as in Vault. */
function unmount(call: Call, kind: MountKind): Reply {
  const text = requirePath(call);
  if (text.endsWith(tuneSuffix)) throw unsupportedOperation();
  const path = mountPath(text);
  if (isReserved(path, kind)) throw badRequest(`cannot unmount "${path}"`);
  const found = mountsOf(call.turn).at(kind === 'auth' ? `auth/${path}` : path);
  if (found === undefined) return {};
  requireReach(call.caller, found.environment);
  removeMount(call.turn, found);
  return {};
}

function requirePath(call: Call): string {
  const text = call.params['path'] ?? '';
  if (text === '') throw badRequest('expected the path of a mount, got none');
  return text;
}

/** `sys/mounts/auth/approle/tune` is the same as `sys/auth/approle/tune`: clients of both kinds are about. */
function findKnown(call: Call, kind: MountKind, text: string): Mount | undefined {
  const path = mountPath(text);
  const found = mountsOf(call.turn).at(kind === 'auth' ? `auth/${path}` : path);
  return found !== undefined && mayKnow(call.caller, found) ? found : undefined;
}
