import type { Call } from '../../backend.ts';
import { matchesGlob } from '../../credentials/glob.ts';
import { badRequest } from '../../errors.ts';
import type { Caller } from '../../request/caller.ts';
import type { TokenRole } from './roles.ts';

/** Which policies a new token has: never more than its parent's, unless a role or a sudoer says so. */
export function checkPolicies(
  call: Call,
  caller: Caller,
  role: TokenRole | undefined,
  sudo: boolean,
): readonly string[] {
  const { fields } = call;
  const asked = fields.list('policies').map((name) => name.toLowerCase());
  const addDefault = !fields.boolean('no_default_policy', false) && !(role?.noDefaultPolicy ?? false);
  const policies =
    role === undefined ? ofParent(caller, asked, sudo, addDefault) : ofRole(caller, role, asked, addDefault);
  if (policies.includes('root')) {
    if (!caller.isRoot) throw badRequest('root tokens may not be created without parent token being root');
    return ['root'];
  }
  return [...new Set(policies)].sort();
}

function ofParent(
  caller: Caller,
  asked: readonly string[],
  sudo: boolean,
  addDefault: boolean,
): readonly string[] {
  const own = caller.token.policies;
  const free = caller.isRoot || sudo;
  // `default` is not handed on by who does not have it.
  const add = addDefault && (free || own.includes('default'));
  if (asked.length === 0) return own.includes('root') ? ['root'] : withDefault(own, add);
  if (!free && asked.some((name) => !own.includes(name)))
    throw badRequest('child policies must be subset of parent');
  return asked.includes('root') ? ['root'] : withDefault(asked, add);
}

function ofRole(
  caller: Caller,
  role: TokenRole,
  asked: readonly string[],
  addDefault: boolean,
): readonly string[] {
  const restricted =
    role.allowedPolicies.length > 0 ||
    role.allowedPoliciesGlob.length > 0 ||
    role.disallowedPolicies.length > 0 ||
    role.disallowedPoliciesGlob.length > 0;
  const wanted =
    asked.length > 0 ? asked : role.allowedPolicies.length > 0 ? role.allowedPolicies : undefined;
  if (wanted === undefined)
    return restricted ? withDefault([], addDefault) : ofParent(caller, [], false, addDefault);
  for (const name of wanted) {
    if (
      role.disallowedPolicies.includes(name) ||
      role.disallowedPoliciesGlob.some((glob) => matchesGlob(glob, name))
    )
      throw badRequest(`token policies (${JSON.stringify(wanted)}) contains disallowed policies`);
    const limited = role.allowedPolicies.length > 0 || role.allowedPoliciesGlob.length > 0;
    const allowed =
      role.allowedPolicies.includes(name) ||
      role.allowedPoliciesGlob.some((glob) => matchesGlob(glob, name)) ||
      name === 'default';
    if (limited ? !allowed : !restricted && !caller.isRoot && !caller.token.policies.includes(name))
      throw badRequest(
        `token policies (${JSON.stringify(wanted)}) must be subset of the role's allowed policies`,
      );
  }
  const blocked =
    role.disallowedPolicies.includes('default') ||
    role.disallowedPoliciesGlob.some((glob) => matchesGlob(glob, 'default'));
  return withDefault(wanted, addDefault && !blocked);
}

function withDefault(names: readonly string[], add: boolean): readonly string[] {
  return add ? ['default', ...names] : names;
}
