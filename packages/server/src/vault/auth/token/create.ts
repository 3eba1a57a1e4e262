import type { Call, Reply } from '../../backend.ts';
import { badRequest, permissionDenied } from '../../errors.ts';
import { findEntityByAlias } from '../../identity/entities.ts';
import { systemMaxTtlSeconds } from '../../mounts/mount.ts';
import type { Caller } from '../../request/caller.ts';
import { entryPath, type TokenEntry, tokenSpace } from '../../tokens/entry.ts';
import { issue, type NewToken } from '../../tokens/issue.ts';
import { accessorOf } from '../../tokens/secret.ts';
import { checkPolicies } from './role-policies.ts';
import { findTokenRole, type TokenRole } from './roles.ts';

export function createToken(call: Call): Reply {
  return make(call, undefined, call.fields.boolean('no_parent', false));
}

export function createOrphan(call: Call): Reply {
  return make(call, undefined, true);
}

export function createFromRole(call: Call): Reply {
  const role = findTokenRole(call.store, call.params['role'] ?? '');
  if (role === undefined) throw badRequest(`unknown role ${call.params['role']}`);
  return make(call, role, role.orphan);
}

function make(call: Call, role: TokenRole | undefined, orphan: boolean): Reply {
  const { fields, turn, core } = call;
  const caller = callerOf(call);
  const parent = caller.token;
  if (parent.type === 'batch') throw badRequest('batch tokens cannot create more tokens');
  if (parent.numUses > 0) throw badRequest('restricted use token cannot generate child tokens');
  const sudo = maySudo(call, caller);
  // The path create-orphan is a right of its own; the field is one of those who may everything here.
  if (orphan && role === undefined && !call.path.startsWith('create-orphan') && !sudo)
    throw badRequest('root or sudo privileges required to create orphan token');
  const chosen = fields.findText('id');
  if (chosen !== undefined && !sudo) throw badRequest('root or sudo privileges required to specify token id');
  if (chosen !== undefined && (chosen.includes('.') || chosen === ''))
    throw badRequest('custom token ID cannot contain "."');

  const policies = checkPolicies(call, caller, role, sudo);
  const isRoot = policies.includes('root');
  const type = typeOf(call, role);
  const period = role?.period || periodOf(call, sudo);
  const explicitMaxTtl = shorter(fields.seconds('explicit_max_ttl', 0), role?.explicitMaxTtl ?? 0);
  const asked = fields.seconds('ttl', 0) || fields.seconds('lease', 0);
  const parentRoot = parent.policies.includes('root');
  // A root token lives for ever only when another such token says so; with a TTL it is as any other.
  const endless =
    isRoot && asked === 0 && period === 0 && explicitMaxTtl === 0 && parentRoot && parent.expiresAt === 0;
  const longest = shorter(explicitMaxTtl, systemMaxTtlSeconds);
  const ttl = endless ? 0 : period || Math.min(asked || systemMaxTtlSeconds, longest);
  const made: NewToken = {
    type,
    path: `auth/token/${call.path}`,
    displayName: displayName(fields.text('display_name')),
    policies,
    meta: fields.map('meta'),
    numUses: fields.integer('num_uses', role?.numUses ?? 0),
    orphan,
    ...(orphan ? {} : { parent: parent.accessor }),
    entityId: entityOf(call, role, orphan, parent),
    ...(role === undefined ? {} : { role: role.name }),
    ttl,
    maxTtl: longest,
    explicitMaxTtl,
    period,
    renewable: type === 'service' && fields.boolean('renewable', true) && (role?.renewable ?? true),
    boundCidrs: boundCidrsOf(role, parent),
    environments: environmentsOf(call, parent),
    ...(chosen === undefined ? {} : { chosen }),
  };
  if (type === 'batch' && (made.numUses > 0 || period > 0 || chosen !== undefined || ttl === 0))
    throw badRequest('batch tokens cannot have a use limit, a period, an ID of their own, or no end');
  if (made.numUses < 0) throw badRequest('number of uses cannot be negative');
  if (chosen !== undefined) refuseTaken(call, chosen);
  return { issued: issue(turn, core, made) };
}

export function callerOf(call: Call): Caller {
  if (call.caller === undefined) throw permissionDenied();
  return call.caller;
}

function maySudo(call: Call, caller: Caller): boolean {
  return (
    caller.isRoot ||
    caller.acl.check({ operation: 'update', path: call.request.path, data: call.request.body }).sudo
  );
}

function refuseTaken(call: Call, chosen: string): void {
  const accessor = accessorOf(call.core.tokenKey, chosen);
  if (accessor !== undefined && tokenSpace(call.turn).has(entryPath(accessor)))
    throw badRequest('cannot create a token with a duplicate ID');
}

function typeOf(call: Call, role: TokenRole | undefined): 'service' | 'batch' {
  const asked = call.fields.text('type');
  if (asked !== '' && asked !== 'service' && asked !== 'batch') throw badRequest("invalid 'type' value");
  if (role?.type === 'batch' || role?.type === 'service') return role.type;
  if (asked === 'batch') return 'batch';
  return role?.type === 'default-batch' && asked === '' ? 'batch' : 'service';
}

function periodOf(call: Call, sudo: boolean): number {
  const period = call.fields.seconds('period', 0);
  if (period !== 0 && !sudo) throw badRequest('root or sudo privileges required to create periodic token');
  return period;
}

/** Of the role, if it says so; else who is bound to a place cannot make a token for elsewhere. */
function boundCidrsOf(role: TokenRole | undefined, parent: TokenEntry): readonly string[] {
  return role === undefined || role.boundCidrs.length === 0 ? parent.boundCidrs : role.boundCidrs;
}

/** A child reaches no environment that its parent does not. */
function environmentsOf(call: Call, parent: TokenEntry): readonly string[] {
  const asked = call.fields.findList('environments');
  if (asked === undefined || asked.length === 0) return parent.environments;
  const beyond = asked.find(
    (each) => !parent.environments.includes('*') && !parent.environments.includes(each),
  );
  if (beyond !== undefined) throw badRequest('child environments must be subset of parent');
  return asked;
}

function entityOf(call: Call, role: TokenRole | undefined, orphan: boolean, parent: TokenEntry): string {
  const alias = call.fields.findText('entity_alias');
  if (alias !== undefined && alias !== '') {
    if (role === undefined) throw badRequest("'entity_alias' is only allowed in combination with token role");
    if (!role.allowedEntityAliases.some((each) => matches(each, alias)))
      throw badRequest("invalid 'entity_alias' value");
    return findEntityByAlias(call.turn, call.mount.accessor, alias)?.id ?? '';
  }
  return orphan ? '' : parent.entityId;
}

function matches(pattern: string, alias: string): boolean {
  const [one, other] = [pattern.toLowerCase(), alias.toLowerCase()];
  return one.endsWith('*') ? other.startsWith(one.slice(0, -1)) : one === other;
}

function displayName(asked: string): string {
  const clean = asked.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 200);
  return clean === '' ? 'token' : `token-${clean}`;
}

function shorter(one: number, other: number): number {
  return one === 0 || other === 0 ? Math.max(one, other) : Math.min(one, other);
}
