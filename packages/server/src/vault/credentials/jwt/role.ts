import { parseDuration } from '../../duration.ts';
import type { Fields } from '../../fields.ts';
import { invalidSetting } from '../login.ts';
import { checkClaimName } from './claims.ts';
import { defaultLeeway } from './times.ts';

export type BoundValue = string | number | boolean;

/** What a role asks of a token, beside the parameters of the Vault token that comes of it. */
export interface JwtRole {
  readonly name: string;
  readonly type: 'jwt' | 'oidc';
  readonly boundAudiences: readonly string[];
  readonly boundSubject: string;
  readonly boundClaimsType: 'string' | 'glob';
  /** Each claim must have one of its values. */
  readonly boundClaims: ReadonlyMap<string, readonly BoundValue[]>;
  /** From claim to key of the metadata. */
  readonly claimMappings: ReadonlyMap<string, string>;
  readonly userClaim: string;
  readonly userClaimJsonPointer: boolean;
  readonly groupsClaim: string;
  readonly leeway: Leeway;
  /** Seconds since the person proved herself to the issuer; 0 for any time. */
  readonly maxAgeSeconds: number;
  readonly oidcScopes: readonly string[];
  readonly allowedRedirectUris: readonly string[];
}

/** In seconds, never negative. */
export interface Leeway {
  /** How long a token without `exp` lives from its `iat` or `nbf`. */
  readonly expirationSeconds: number;
  /** How long before `exp` a token without `nbf` and `iat` began. */
  readonly notBeforeSeconds: number;
  /** How far the issuer's clock and ours may be apart. */
  readonly clockSkewSeconds: number;
}

/** Beyond a day, leeway is no difference of clocks but a way around expiry. */
const maxLeewaySeconds = 86_400;
const maxEntries = 256;

/**
 * Reads the fields of `POST auth/<mount>/role/<name>` as Vault names them. `hasBoundCidrs` says whether the token's
 * parameters bind it to addresses: a role that binds a JWT to nothing would let every holder of any token in.
 * Throws `Fault('invalid')`.
 */
export function parseJwtRole(name: string, fields: Fields, hasBoundCidrs: boolean): JwtRole {
  const role: JwtRole = {
    name,
    type: choice(fields, 'role_type', ['jwt', 'oidc'], 'oidc'),
    boundAudiences: fields.list('bound_audiences'),
    boundSubject: fields.text('bound_subject'),
    boundClaimsType: choice(fields, 'bound_claims_type', ['string', 'glob'], 'string'),
    boundClaims: readBoundClaims(fields),
    claimMappings: readMappings(fields),
    userClaim: fields.text('user_claim'),
    userClaimJsonPointer: fields.boolean('user_claim_json_pointer', false),
    groupsClaim: fields.text('groups_claim'),
    leeway: {
      expirationSeconds: leeway(fields, 'expiration_leeway', defaultLeeway.expirationSeconds),
      notBeforeSeconds: leeway(fields, 'not_before_leeway', defaultLeeway.notBeforeSeconds),
      clockSkewSeconds: leeway(fields, 'clock_skew_leeway', defaultLeeway.clockSkewSeconds),
    },
    maxAgeSeconds: fields.seconds('max_age', 0),
    oidcScopes: fields.list('oidc_scopes'),
    allowedRedirectUris: fields.list('allowed_redirect_uris'),
  };
  checkRole(role, hasBoundCidrs);
  return role;
}

function checkRole(role: JwtRole, hasBoundCidrs: boolean): void {
  if (role.userClaim === '') throw invalidSetting('a user claim must be defined on the role');
  if (role.userClaimJsonPointer) checkClaimName(role.userClaim);
  checkClaimName(role.groupsClaim);
  if (role.type === 'oidc' && role.allowedRedirectUris.length === 0)
    throw invalidSetting("'allowed_redirect_uris' must be set for OIDC roles");
  const bound =
    role.boundAudiences.length > 0 || role.boundSubject !== '' || role.boundClaims.size > 0 || hasBoundCidrs;
  if (role.type === 'jwt' && !bound)
    throw invalidSetting('must have at least one bound constraint when creating/updating a role');
  if (role.boundClaimsType === 'glob') {
    for (const values of role.boundClaims.values()) {
      if (values.some((value) => typeof value !== 'string'))
        throw invalidSetting("expected only texts in 'bound_claims' when 'bound_claims_type' is glob");
    }
  }
}

function readBoundClaims(fields: Fields): ReadonlyMap<string, readonly BoundValue[]> {
  const bound = new Map<string, readonly BoundValue[]>();
  for (const [claim, value] of entriesOf(fields, 'bound_claims')) {
    checkClaimName(claim);
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (values.length === 0 || values.length > maxEntries || !values.every(isBoundValue))
      throw invalidSetting("expected each of 'bound_claims' as a text, number, boolean or list of them");
    bound.set(claim, values);
  }
  return bound;
}

function isBoundValue(value: unknown): value is BoundValue {
  return (
    (typeof value === 'string' && value.length <= 4096) ||
    typeof value === 'number' ||
    typeof value === 'boolean'
  );
}

function readMappings(fields: Fields): ReadonlyMap<string, string> {
  const mappings = new Map<string, string>();
  const targets = new Set<string>();
  for (const [claim, target] of Object.entries(fields.map('claim_mappings'))) {
    checkClaimName(claim);
    if (target === '' || target.length > 256)
      throw invalidSetting("expected each of 'claim_mappings' to name a key of the metadata");
    if (target === 'role')
      throw invalidSetting("metadata key 'role' is reserved and may not be a mapping destination");
    if (targets.has(target)) throw invalidSetting(`multiple keys are mapped to metadata key '${target}'`);
    targets.add(target);
    mappings.set(claim, target);
  }
  return mappings;
}

function entriesOf(fields: Fields, name: string): ReadonlyArray<readonly [string, unknown]> {
  const entries = Object.entries(fields.object(name) ?? {});
  if (entries.length > maxEntries) throw invalidSetting(`expected '${name}' with at most ${maxEntries} keys`);
  return entries;
}

function choice<const T extends string>(
  fields: Fields,
  name: string,
  choices: readonly [T, ...(readonly T[])],
  absent: T,
): T {
  const value = fields.text(name) || absent;
  const found = choices.find((candidate) => candidate === value);
  if (found === undefined) throw invalidSetting(`invalid '${name}': expected ${choices.join(' or ')}`);
  return found;
}

/** As Vault reads it: 0 or nothing is the default, -1 (any negative number) is none. */
function leeway(fields: Fields, name: string, absent: number): number {
  const value = fields.find(name) ?? 0;
  if ((typeof value === 'number' && value < 0) || (typeof value === 'string' && value.startsWith('-')))
    return 0;
  const seconds = parseDuration(value, name);
  if (seconds > maxLeewaySeconds) throw invalidSetting(`expected '${name}' of at most a day`);
  return seconds === 0 ? absent : seconds;
}
