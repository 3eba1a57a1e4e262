import { refusedLogin } from '../login.ts';
import type { JwtRole, Leeway } from './role.ts';
import type { Claims } from './token.ts';

/** 9999-12-31T23:59:59Z; a later time is a mistake of units or a try to overflow somebody. */
const maxNumericDate = 253_402_300_799;

type TimeRules = Pick<JwtRole, 'leeway' | 'maxAgeSeconds'>;

/** Vault's, in seconds. */
export const defaultLeeway: Leeway = { expirationSeconds: 150, notBeforeSeconds: 150, clockSkewSeconds: 60 };

/**
 * Refuses a token that is not valid now, by Vault's rules: of `exp`, `nbf` and `iat` one must be there; what is missing
 * follows from the others and the role's leeway; the clocks may differ by `clockSkewSeconds` in either direction.
 * A clock of ours that jumps, in either direction, makes tokens end early or not yet begin; none lives longer than
 * by the jump backwards.
 */
export function checkTimes(claims: Claims, role: TimeRules, nowSeconds: number): void {
  const iat = numericDate(claims, 'iat');
  const nbf = numericDate(claims, 'nbf');
  const exp = numericDate(claims, 'exp');
  const started = latest(iat, nbf);
  const { expirationSeconds, notBeforeSeconds, clockSkewSeconds } = role.leeway;
  if (exp === undefined && started === undefined)
    throw refused('no issued at (iat), not before (nbf), or expiration time (exp) claims in token');
  const ends = exp ?? (started ?? 0) + expirationSeconds;
  const begins = nbf ?? iat ?? ends - notBeforeSeconds;
  if (!Number.isFinite(nowSeconds)) throw refused('the time is not known');
  if (nowSeconds + clockSkewSeconds < begins)
    throw refused('invalid not before (nbf) claim: token not yet valid');
  if (nowSeconds - clockSkewSeconds > ends)
    throw refused('invalid expiration time (exp) claim: token is expired');
  if (iat !== undefined && nowSeconds + clockSkewSeconds < iat)
    throw refused('invalid issued at (iat) claim: token issued in the future');
  checkAge(claims, role, nowSeconds);
}

/** OpenID Connect Core 1.0 section 3.1.3.7, point 13: who asks for an age must check it. */
function checkAge(claims: Claims, role: TimeRules, nowSeconds: number): void {
  if (role.maxAgeSeconds === 0) return;
  const authTime = numericDate(claims, 'auth_time');
  if (authTime === undefined) throw refused('no authentication time (auth_time) claim in token');
  const age = nowSeconds - authTime;
  if (age > role.maxAgeSeconds + role.leeway.clockSkewSeconds || age < -role.leeway.clockSkewSeconds)
    throw refused('invalid authentication time (auth_time) claim: outside of max_age');
}

/** A NumericDate (RFC 7519 section 2), which may have a fraction. Zero is a time, not an absence. */
function numericDate(claims: Claims, name: string): number | undefined {
  if (!Object.hasOwn(claims, name)) return undefined;
  const value = claims[name];
  if (typeof value !== 'number' || !(value >= 0 && value <= maxNumericDate))
    throw refused(`invalid ${name} claim: expected seconds since 1970 as a number`);
  return value;
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.max(a, b);
}

function refused(what: string) {
  return refusedLogin('jwt_time', `error validating token: ${what}`);
}
