import { Fault } from '@sallyport/formats';
import type { Backend, Call } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { createFields } from '../fields.ts';
import { environmentFor } from '../mounts/environment.ts';
import { backendNameOf, type Mount } from '../mounts/mount.ts';
import { newMount } from '../mounts/new-mount.ts';
import { optionsOf, settingsAfter } from '../mounts/settings.ts';

export type MountKind = 'secret' | 'auth';

/** One of each is there from the beginning, and the server relies on it. */
const singletons = new Set(['system', 'identity', 'cubbyhole', 'token']);

/** What clients call the versions of one engine. `generic` is what it was called before it had a name. */
const kvVersions: ReadonlyMap<string, string> = new Map([
  ['kv-v1', '1'],
  ['kv-v2', '2'],
  ['generic', '1'],
]);

/** Reads the body of `sys/mounts/:path` and `sys/auth/:path`; `path` is where the mount goes. */
export function mountOf(
  call: Call,
  kind: MountKind,
  path: string,
): { readonly backend: Backend; readonly mount: Mount } {
  const { fields, core, caller } = call;
  const config = createFields(fields.object('config') ?? {});
  const asked = fields.text('type');
  if (asked === '') throw badRequest('backend type must be specified as a string');
  const named = asked === 'plugin' ? config.text('plugin_name') || fields.required('plugin_name') : asked;
  const version = kind === 'secret' ? kvVersions.get(named) : undefined;
  const type = version === undefined ? named : 'kv';
  if (singletons.has(type)) {
    throw new Fault('denied', 'vault.singleton', `mount type of "${type}" is not mountable`);
  }
  const { environment: inOptions, ...given } = optionsOf(fields);
  const options = version === undefined ? given : { ...given, version };
  const environment = environmentFor(caller, fields.findText('environment') ?? inOptions, kind);
  const bare = newMount({
    path,
    kind,
    type,
    description: fields.text('description'),
    environment,
    options,
    local: fields.boolean('local', false),
    sealWrap: fields.boolean('seal_wrap', false),
  });
  const mount = { ...bare, config: settingsAfter(bare.config, config, kind) };
  const backend = core.backends[kind].get(backendNameOf(mount));
  if (backend === undefined) throw badRequest(`plugin not found in the catalog: ${type.slice(0, 80)}`);
  requireVersion(type, options['version']);
  return { backend, mount };
}

export function requireVersion(type: string, version: string | undefined): void {
  if (version === undefined) return;
  if (type !== 'kv') throw badRequest(`secrets engine "${type}" does not allow setting a version`);
  if (version !== '1' && version !== '2') {
    throw badRequest('expected the version "1" or "2" of the kv engine, got another');
  }
}
