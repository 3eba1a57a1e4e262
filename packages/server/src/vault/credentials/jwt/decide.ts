import { Fault } from '@sallyport/formats';
import { type Login, refusedLogin } from '../login.ts';
import { checkBoundClaims, readAlias, readGroups, readMetadata } from './claims.ts';
import type { JwtConfig } from './config.ts';
import type { KeySets } from './key-sets.ts';
import type { JwtRole } from './role.ts';
import { checkTimes } from './times.ts';
import type { Claims } from './token.ts';
import { type VerifiedJwt, verifyJwt } from './verify.ts';

/**
 * Decides whether verified claims open the role now. Synchronous and pure, so that it can run on the state of its turn:
 * configuration and role may have changed since the signature was verified.
 * Throws `Fault('invalid')` for a refusal; `Fault('unavailable')` when the keys of the mount were changed meanwhile.
 */
export function decideJwtLogin(config: JwtConfig, role: JwtRole, verified: VerifiedJwt, now: Date): Login {
  if (role.type !== 'jwt') throw refusedLogin('jwt_role', 'role with oidc role_type is not allowed');
  checkSameSource(config, verified);
  const { claims } = verified;
  checkIssuer(config, claims);
  checkAudience(role, claims);
  return decideClaims(role, claims, now);
}

/** `verifyJwt` and `decideJwtLogin` in one, for a caller without a turn. */
export async function authenticateJwt(
  deps: { readonly keySets: KeySets; readonly now: () => Date },
  config: JwtConfig,
  role: JwtRole,
  token: unknown,
): Promise<Login> {
  return decideJwtLogin(config, role, await verifyJwt(deps.keySets, config, token), deps.now());
}

/** What JWT and OIDC roles ask alike, once issuer and audience are right. */
export function decideClaims(role: JwtRole, claims: Claims, now: Date): Login {
  if (role.boundSubject !== '' && claims['sub'] !== role.boundSubject)
    throw refusedLogin('jwt_subject', 'error validating token: invalid subject (sub) claim');
  checkTimes(claims, role, now.getTime() / 1000);
  checkBoundClaims(claims, role);
  const name = readAlias(claims, role);
  const metadata = readMetadata(claims, role);
  return { alias: { name, metadata }, metadata, groups: readGroups(claims, role), displayName: name };
}

export function checkSameSource(config: JwtConfig, verified: VerifiedJwt): void {
  if (config.fingerprint !== verified.fingerprint || !config.algorithms.includes(verified.algorithm))
    throw new Fault(
      'unavailable',
      'vault.config_changed',
      'the configuration of the mount changed during the login, try again',
    );
}

/**
 * Without `bound_issuer`, the issuer of a discovery document is bound: some issuers sign for all their customers with
 * the same keys, so that the key alone says nothing.
 */
export function checkIssuer(config: JwtConfig, claims: Claims): void {
  const issuer = config.source.kind === 'discovery' ? config.source.issuer : '';
  const expected = config.boundIssuer || issuer;
  if (expected !== '' && claims['iss'] !== expected)
    throw refusedLogin('jwt_issuer', 'error validating token: invalid issuer (iss) claim');
}

/** A token for somebody must be for us: with `aud` in the token, the role must name one of its audiences. */
function checkAudience(role: JwtRole, claims: Claims): void {
  const audiences = readAudiences(claims);
  if (role.boundAudiences.length === 0) {
    if (audiences.length > 0)
      throw refusedLogin('jwt_audience', 'audience claim found in JWT but no audiences bound to the role');
    return;
  }
  checkBoundAudience(role, audiences);
}

export function checkBoundAudience(role: JwtRole, audiences: readonly string[]): void {
  if (!audiences.some((audience) => role.boundAudiences.includes(audience)))
    throw refusedLogin(
      'jwt_audience',
      'error validating token: invalid audience (aud) claim: audience claim does not match any expected audience',
    );
}

/** RFC 7519 section 4.1.3: a text or a list of texts; anything else is a token made to be read in two ways. */
export function readAudiences(claims: Claims): readonly string[] {
  if (!Object.hasOwn(claims, 'aud')) return [];
  const value = claims['aud'];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((audience) => {
    if (typeof audience !== 'string')
      throw refusedLogin(
        'jwt_audience',
        'error validating token: invalid audience (aud) claim: expected texts',
      );
    return audience;
  });
}
