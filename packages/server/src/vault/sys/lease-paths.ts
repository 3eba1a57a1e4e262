import { Fault } from '@sallyport/formats';
import type { Call, Handler, PathSpec, Reply } from '../backend.ts';
import { badRequest, nothingHere, permissionDenied } from '../errors.ts';
import { revokeBelow } from '../lease/revocation.ts';
import { findLease, listLeases, runningBelow, tokensBelow } from '../lease/token-leases.ts';
import { reachesAll } from '../mounts/environment.ts';
import { mountsOf } from '../mounts/table.ts';
import type { TokenEntry } from '../tokens/entry.ts';
import { revokeToken } from '../tokens/tokens.ts';

const leaseField: PathSpec['fields'] = { lease_id: { type: 'string', doc: 'The lease.' } };

/** Leases, and what `sys/renew` and its like were called before they moved below `sys/leases`. */
export const leasePaths: readonly PathSpec[] = [
  {
    pattern: 'leases/lookup',
    synopsis: 'Show a lease; list the first parts of all lease ids.',
    fields: leaseField,
    on: { update: lookup, list: (call) => listBelow(call, '') },
  },
  {
    pattern: 'leases/lookup/:prefix*',
    synopsis: 'List the leases below a prefix.',
    sudo: true,
    on: { list: (call) => listBelow(call, `${call.params['prefix'] ?? ''}/`) },
  },
  ...both(
    'renew',
    'Renew a lease.',
    { ...leaseField, increment: { type: 'duration', doc: 'From now.' } },
    renew,
  ),
  ...both('revoke', 'End a lease at once.', leaseField, revoke),
  ...['leases/revoke-prefix', 'revoke-prefix', 'leases/revoke-force', 'revoke-force'].map(
    (path): PathSpec => ({
      pattern: `${path}/:prefix*`,
      synopsis: 'End all leases below a prefix at once.',
      sudo: true,
      on: { update: revokePrefix },
    }),
  ),
  {
    pattern: 'leases/count',
    synopsis: 'How many leases there are, by login method.',
    sudo: true,
    on: { read: count },
  },
  {
    pattern: 'leases/tidy',
    synopsis: 'Leases need no tidying: what is due is removed all the time.',
    on: {
      update: () => ({
        warnings: ['Tidy operation is not needed: leases that end are removed all the time.'],
      }),
    },
  },
  {
    pattern: 'leases',
    synopsis: 'Leases that could not be revoked.',
    sudo: true,
    on: { read: () => ({ data: { lease_count: 0, leases: [] } }) },
  },
];

function both(name: string, synopsis: string, fields: PathSpec['fields'], update: Handler): PathSpec[] {
  return [`leases/${name}`, name].flatMap((pattern) =>
    ['', '/:lease*'].map((rest) => ({
      pattern: pattern + rest,
      synopsis,
      fields: fields ?? {},
      on: { update },
    })),
  );
}

function lookup(call: Call): Reply {
  const id = call.fields.text('lease_id');
  if (id === '') throw badRequest('lease_id must be specified');
  const entry = knownLease(call, id);
  if (entry === undefined) throw badRequest('invalid lease');
  return {
    data: {
      id,
      issue_time: new Date(entry.createdAt).toISOString(),
      expire_time: new Date(entry.expiresAt).toISOString(),
      last_renewal: entry.renewedAt === undefined ? null : new Date(entry.renewedAt).toISOString(),
      path: entry.path,
      renewable: entry.renewable,
      ttl: Math.max(0, Math.ceil((entry.expiresAt - call.now) / 1000)),
    },
  };
}

function listBelow(call: Call, directory: string): Reply {
  const keys = listLeases(call.turn, directory, (entry) => isKnown(call, entry));
  if (keys.length === 0) throw nothingHere();
  return { data: { keys } };
}

/** A token is renewed by whoever holds it; somebody who only knows its lease would keep it alive for others. */
function renew(call: Call): Reply {
  if (knownLease(call, leaseIdIn(call)) === undefined) throw badRequest('lease not found');
  throw new Fault('denied', 'vault.token_lease', 'tokens cannot be renewed through this endpoint', {
    hint: 'use auth/token/renew',
  });
}

/** A lease that is not there is what was asked for. */
function revoke(call: Call): Reply {
  const entry = knownLease(call, leaseIdIn(call));
  if (entry !== undefined) revokeToken(call.turn, entry.accessor);
  return {};
}

function revokePrefix(call: Call): Reply {
  const prefix = call.params['prefix'] ?? '';
  // What is named may be one lease; otherwise whole segments are, so that `aws` does not reach `aws-old/`.
  const below = prefix === '' ? '' : `${prefix}/`;
  const entry = findLease(call.turn, prefix);
  for (const each of entry === undefined ? tokensBelow(call.turn, below) : [entry])
    if (!isKnown(call, each)) throw permissionDenied('tokens of other environments are below this prefix');
  if (entry !== undefined) revokeToken(call.turn, entry.accessor);
  else revokeBelow(call.turn, below);
  return {};
}

/** A lease of an environment that the caller does not reach is none to them. */
function knownLease(call: Call, leaseId: string): TokenEntry | undefined {
  const entry = findLease(call.turn, leaseId);
  return entry !== undefined && isKnown(call, entry) ? entry : undefined;
}

const isKnown = (call: Call, { environments }: TokenEntry): boolean => reachesAll(call.caller, environments);

function leaseIdIn(call: Call): string {
  const id = call.fields.text('lease_id') || call.fields.text('url_lease_id') || (call.params['lease'] ?? '');
  if (id === '') throw badRequest('lease_id must be specified');
  return id;
}

function count(call: Call): Reply {
  // None is irrevocable: revoking a token calls nobody.
  if (call.request.query['type'] === 'irrevocable') return { data: { lease_count: 0, counts: {} } };
  const counts: Record<string, number> = {};
  let all = 0;
  const mounts = mountsOf(call.turn);
  for (const entry of runningBelow(call.turn, '')) {
    if (!isKnown(call, entry)) continue;
    const mount = mounts.find(entry.path)?.path ?? 'unknown';
    counts[mount] = (counts[mount] ?? 0) + 1;
    all += 1;
  }
  return { data: { lease_count: all, counts } };
}
