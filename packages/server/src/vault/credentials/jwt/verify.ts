import { Fault } from '@sallyport/formats';
import { compactVerify } from 'jose';
import { refusedLogin } from '../login.ts';
import type { JwtConfig } from './config.ts';
import type { KeySet, KeySets } from './key-sets.ts';
import type { VerificationKey } from './keys.ts';
import { type Claims, type JwtAlgorithm, type ParsedJwt, parseJwt } from './token.ts';

/** Claims whose signature was verified. Whether they open anything is for `decideJwtLogin`, which is synchronous. */
export interface VerifiedJwt {
  readonly claims: Claims;
  readonly algorithm: JwtAlgorithm;
  /** Of the configuration whose keys verified them. */
  readonly fingerprint: string;
}

/**
 * Does all of a login that takes time: gets the keys and verifies the signature, off the main thread.
 * Throws `Fault('invalid')` for a token that no key of the source verifies and `Fault('unavailable')` when the source
 * could not be asked.
 */
export async function verifyJwt(keySets: KeySets, config: JwtConfig, text: unknown): Promise<VerifiedJwt> {
  const token = parseJwt(text);
  if (!config.algorithms.includes(token.algorithm))
    throw refusedLogin('jwt_algorithm', 'error validating token: token signed with unexpected algorithm');
  const known = await keySets.keys(config);
  const { claims, algorithm } = token;
  const verified = { claims, algorithm, fingerprint: config.fingerprint };
  if (await verifiedByAny(token, candidates(known.keys, token))) return verified;
  // A key that is named and there has spoken; asking again could only be a favour to who sends wrong signatures.
  const settled =
    config.source.kind === 'static' || known.keys.some(({ id }) => id !== undefined && id === token.keyId);
  if (!settled) {
    const renewed = await keySets.renewed(config);
    if (await verifiedByAny(token, candidates(renewed.keys, token))) return verified;
    throw unverified(renewed);
  }
  throw unverified(known);
}

/** An id is a hint (RFC 7515 section 4.1.4): it excludes keys of other ids, not keys without one. */
function candidates(keys: readonly VerificationKey[], token: ParsedJwt): readonly VerificationKey[] {
  return keys.filter(({ id }) => token.keyId === undefined || id === undefined || id === token.keyId);
}

/**
 * Whether a key of the token's algorithm verifies it. One after the other, off the main thread; a token without an id
 * may ask for all, 100 of each of 16 sets at most.
 */
export async function verifiedByAny(token: ParsedJwt, keys: readonly VerificationKey[]): Promise<boolean> {
  for (const { key, algorithms } of keys) {
    if (!algorithms.includes(token.algorithm)) continue;
    try {
      await compactVerify(token.text, key, { algorithms: [token.algorithm] });
      return true;
    } catch {
      // The next key may be the one; which of them came close is told to nobody.
    }
  }
  return false;
}

function unverified({ incomplete }: KeySet): Fault {
  return incomplete === undefined
    ? refusedLogin('jwt_signature', 'error validating token: no known key verifies the signature')
    : new Fault('unavailable', 'vault.upstream', 'expected the keys of every issuer, could not get some', {
        cause: incomplete,
      });
}
