import { matchesGlob } from '../glob.ts';
import { invalidSetting, refusedLogin } from '../login.ts';
import type { BoundValue, JwtRole } from './role.ts';
import type { Claims } from './token.ts';

const maxGroups = 1000;
const escapesPattern = /^(?:[^~]|~[01])*$/;

/** Refuses a name of a claim that begins as a JSON pointer and is none: it would never find anything. */
export function checkClaimName(name: string): void {
  if (name.length > 512 || (name.startsWith('/') && !escapesPattern.test(name)))
    throw invalidSetting('expected names of claims of at most 512 characters, pointers as in RFC 6901');
}

/** The claim of that name, or, when the name begins with a slash, what it points to (RFC 6901); else undefined. */
export function findClaim(claims: Claims, name: string): unknown {
  if (!name.startsWith('/')) return ownProperty(claims, name);
  let value: unknown = claims;
  for (const token of name.slice(1).split('/')) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(value)) {
      value = /^(?:0|[1-9][0-9]{0,5})$/.test(key) ? value[Number(key)] : undefined;
    } else {
      value = ownProperty(value, key);
    }
  }
  return value;
}

function ownProperty(value: unknown, key: string): unknown {
  // "constructor" and "__proto__" are no claims of a token that has none.
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
    return undefined;
  return (value as Claims)[key];
}

/** Refuses unless each bound claim has, or contains, one of the values the role allows. */
export function checkBoundClaims(claims: Claims, role: JwtRole): void {
  for (const [name, allowed] of role.boundClaims) {
    const found = findClaim(claims, name);
    if (found === undefined || found === null) throw refused(`claim ${quoted(name)} is missing`);
    const values: readonly unknown[] = Array.isArray(found) ? found : [found];
    const matches = values.some((value) =>
      allowed.some((bound) => equals(role.boundClaimsType, bound, value)),
    );
    if (!matches) throw refused(`claim ${quoted(name)} does not match any associated bound claim values`);
  }
}

/** Types are compared too: a role that wants `true` is not satisfied by "true", which another claim may be free to say. */
function equals(type: JwtRole['boundClaimsType'], bound: BoundValue, value: unknown): boolean {
  if (type === 'string') return bound === value;
  return typeof bound === 'string' && typeof value === 'string' && matchesGlob(bound, value);
}

export function readAlias(claims: Claims, role: JwtRole): string {
  const value = role.userClaimJsonPointer
    ? findClaim(claims, role.userClaim)
    : ownProperty(claims, role.userClaim);
  if (value === undefined || value === null)
    throw refusedLogin('jwt_user_claim', `claim ${quoted(role.userClaim)} not found in token`);
  if (typeof value !== 'string' || value === '')
    throw refusedLogin('jwt_user_claim', `claim ${quoted(role.userClaim)} could not be converted to string`);
  return value;
}

export function readMetadata(claims: Claims, role: JwtRole): Readonly<Record<string, string>> {
  const entries: [string, string][] = [];
  for (const [claim, target] of role.claimMappings) {
    const value = findClaim(claims, claim);
    if (value === undefined || value === null) continue;
    if (typeof value !== 'string')
      throw refusedLogin('jwt_metadata', `error converting claim '${claim}' to string`);
    entries.push([target, value]);
  }
  return Object.fromEntries([...entries, ['role', role.name]]);
}

export function readGroups(claims: Claims, role: JwtRole): readonly string[] {
  if (role.groupsClaim === '') return [];
  const value = findClaim(claims, role.groupsClaim);
  if (value === undefined || value === null) throw groups('claim not found in token', role);
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > maxGroups) throw groups(`claim has more than ${maxGroups} groups`, role);
  const names = list.map((group) => {
    if (typeof group !== 'string') throw groups('claim could not be converted to string list', role);
    return group;
  });
  return [...new Set(names.filter((name) => name !== ''))];
}

function groups(what: string, role: JwtRole) {
  return refusedLogin('jwt_groups_claim', `${quoted(role.groupsClaim)} ${what}`);
}

function refused(what: string) {
  return refusedLogin('jwt_bound_claims', `error validating claims: ${what}`);
}

function quoted(name: string): string {
  return JSON.stringify(name);
}
