import { Fault } from '@sallyport/formats';
import type { Claims } from './claims.ts';

const clockSkewSeconds = 60;
/** Tokens of jobs live minutes to hours; one that lives longer is a password. */
export const maxTokenSeconds = 24 * 3600;

/** Throws `signing.token_time` unless the token says when it began and ends, and is valid now. */
export function checkTokenTimes(claims: Claims, now: Date): void {
  const seconds = now.getTime() / 1000;
  const exp = claims['exp'];
  const iat = claims['iat'];
  const nbf = claims['nbf'] ?? iat;
  if (!isTime(exp) || !isTime(iat) || !isTime(nbf)) throw refused('"exp" and "iat" in seconds since 1970');
  if (exp <= iat || exp - iat > maxTokenSeconds) {
    throw refused(`a token that lives at most ${maxTokenSeconds / 3600} hours`);
  }
  if (exp + clockSkewSeconds <= seconds) throw refused('a token that has not expired');
  if (Math.max(iat, nbf) > seconds + clockSkewSeconds) throw refused('a token that is valid already');
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 && value < 253_402_300_800;
}

function refused(expected: string): Fault {
  return new Fault('unauthenticated', 'signing.token_time', `expected ${expected}`, {
    hint: 'ask the issuer for a token right before signing',
  });
}
