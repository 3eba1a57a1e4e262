import { parseDuration } from '../../duration.ts';
import { booleanField, choiceField, type Fields, listField, mapField, textField } from '../fields.ts';
import { invalidSetting } from '../login.ts';
import { checkClaimName } from './claims.ts';

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

/**
 * Reads the fields of `POST auth/<mount>/role/<name>` as Vault names them. `hasBoundCidrs` says whether the token's
 * parameters bind it to addresses: a role that binds a JWT to nothing would let every holder of any token in.
 * Throws `Fault('invalid')`.
 */
export function parseJwtRole(name: string, fields: Fields, hasBoundCidrs: boolean): JwtRole {
  const role: JwtRole = {
    name,
    type: choiceField(fields, 'role_type', ['jwt', 'oidc'], 'oidc'),
    boundAudiences: listField(fields, 'bound_audiences'),
    boundSubject: textField(fields, 'bound_subject'),
    boundClaimsType: choiceField(fields, 'bound_claims_type', ['string', 'glob'], 'string'),
    boundClaims: readBoundClaims(fields),
    claimMappings: readMappings(fields),
    userClaim: textField(fields, 'user_claim', 512),
    userClaimJsonPointer: booleanField(fields, 'user_claim_json_pointer'),
    groupsClaim: textField(fields, 'groups_claim', 512),
    leeway: {
      expirationSeconds: leeway(fields, 'expiration_leeway', 150),
      notBeforeSeconds: leeway(fields, 'not_before_leeway', 150),
      clockSkewSeconds: leeway(fields, 'clock_skew_leeway', 60),
    },
    maxAgeSeconds: parseDuration(Object.hasOwn(fields, 'max_age') ? fields['max_age'] : 0, 'max_age'),
    oidcScopes: listField(fields, 'oidc_scopes', 256),
    allowedRedirectUris: listField(fields, 'allowed_redirect_uris', 2048),
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
  for (const [claim, value] of mapField(fields, 'bound_claims')) {
    checkClaimName(claim);
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (values.length === 0 || values.length > 256 || !values.every(isBoundValue))
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
  for (const [claim, target] of mapField(fields, 'claim_mappings')) {
    checkClaimName(claim);
    if (typeof target !== 'string' || target === '' || target.length > 256)
      throw invalidSetting("expected each of 'claim_mappings' to name a key of the metadata");
    if (target === 'role')
      throw invalidSetting("metadata key 'role' is reserved and may not be a mapping destination");
    if (targets.has(target)) throw invalidSetting(`multiple keys are mapped to metadata key '${target}'`);
    targets.add(target);
    mappings.set(claim, target);
  }
  return mappings;
}

/** As Vault reads it: 0 or nothing is the default, -1 (any negative number) is none. */
function leeway(fields: Fields, name: string, absent: number): number {
  const value = Object.hasOwn(fields, name) ? fields[name] : 0;
  if ((typeof value === 'number' && value < 0) || (typeof value === 'string' && value.startsWith('-')))
    return 0;
  const seconds = parseDuration(value, name);
  if (seconds > maxLeewaySeconds) throw invalidSetting(`expected '${name}' of at most a day`);
  return seconds === 0 ? absent : seconds;
}
