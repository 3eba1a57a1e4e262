import type { Call, PathSpec, Reply } from '../backend.ts';
import { badRequest } from '../errors.ts';
import { reaches } from '../mounts/environment.ts';
import { systemEnvironment } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import { type Caller, callerOf } from '../request/caller.ts';
import { accessorOf } from '../tokens/secret.ts';
import { findToken } from '../tokens/tokens.ts';

const maxPaths = 256;

const pathFields: PathSpec['fields'] = {
  paths: { type: 'list', doc: 'The paths to ask about.' },
  path: { type: 'list', doc: 'What paths was called before.' },
};

/** What a token may do on paths, without doing it. */
export const capabilityPaths: readonly PathSpec[] = [
  {
    pattern: 'capabilities-self',
    synopsis: 'What this token may do on paths.',
    fields: pathFields,
    on: { update: (call) => answer(call, call.caller) },
  },
  {
    pattern: 'capabilities',
    synopsis: 'What a token may do on paths.',
    fields: { ...pathFields, token: { type: 'string', doc: 'The token.' } },
    on: { update: (call) => answer(call, byToken(call)) },
  },
  {
    pattern: 'capabilities-accessor',
    synopsis: 'What the token of an accessor may do on paths.',
    fields: { ...pathFields, accessor: { type: 'string', doc: 'The accessor of the token.' } },
    on: { update: (call) => answer(call, byAccessor(call)) },
  },
];

function byToken(call: Call): Caller {
  const token = call.fields.text('token');
  if (token === '') throw badRequest('no token found');
  const accessor = accessorOf(call.core.tokenKey, token);
  const entry = accessor === undefined ? undefined : findToken(call.turn, accessor);
  if (entry === undefined) throw badRequest('invalid token');
  return callerOf(call.turn, entry);
}

function byAccessor(call: Call): Caller {
  const accessor = call.fields.text('accessor');
  if (accessor === '') throw badRequest('missing accessor');
  const entry = findToken(call.turn, accessor);
  if (entry === undefined) throw badRequest('invalid accessor');
  return callerOf(call.turn, entry);
}

function answer(call: Call, caller: Caller | undefined): Reply {
  const { fields } = call;
  const paths = fields.list('paths').length > 0 ? fields.list('paths') : fields.list('path');
  if (paths.length === 0) throw badRequest('paths must be supplied');
  if (paths.length > maxPaths) throw badRequest(`expected at most ${maxPaths} paths, got ${paths.length}`);
  const data: Record<string, readonly string[]> = Object.create(null);
  for (const path of paths) data[path] = capabilitiesOn(call, caller, path);
  const [only] = paths;
  // Clients before lists of paths look for this name.
  if (only !== undefined && paths.length === 1) data['capabilities'] = data[only] ?? ['deny'];
  return { data, flat: true };
}

function capabilitiesOn(call: Call, caller: Caller | undefined, path: string): readonly string[] {
  const bare = path.replace(/^\/+/, '');
  const environment = mountsOf(call.turn).find(bare)?.environment ?? systemEnvironment;
  if (caller === undefined) return ['deny'];
  if (environment === systemEnvironment) return caller.acl.capabilities(bare);
  return reaches(caller, environment) ? caller.acl.capabilities(bare, environment) : ['deny'];
}
