import { createPublicKey, type KeyObject, type webcrypto, X509Certificate } from 'node:crypto';
import { fromUtf8, parseStrictJson } from '@sallyport/formats';
import { unavailable } from '../fetch/bounded-fetch.ts';
import { invalidSetting } from '../login.ts';
import { type JwtAlgorithm, jwtAlgorithms } from './token.ts';

/** A public key and all it may verify. */
export interface VerificationKey {
  /** Of a JWKS; keys of the configuration have none and are tried for every token. */
  readonly id: string | undefined;
  readonly algorithms: readonly JwtAlgorithm[];
  readonly key: KeyObject;
}

export const maxJwksBytes = 256 * 1024;
const maxKeys = 100;
const minRsaBits = 2048;
/** Beyond this, one verification takes so long that a login flood needs no more than a token. */
const maxRsaBits = 8192;

/** Reads the PEM keys (or certificates, of which only the key counts) of a configuration. Throws `Fault('invalid')`. */
export function parsePemKeys(pems: readonly string[], name: string): readonly VerificationKey[] {
  return pems.map((pem) => {
    let key: KeyObject;
    try {
      key = pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : publicKeyOf(pem);
    } catch (cause) {
      throw invalidSetting(`expected each of '${name}' as a public key in PEM`, cause);
    }
    const algorithms = algorithmsOf(key);
    if (algorithms.length === 0)
      throw invalidSetting(
        `expected each of '${name}' as RSA with ${minRsaBits} to ${maxRsaBits} bits, P-256, P-384, P-521 or Ed25519`,
      );
    return { id: undefined, algorithms, key };
  });
}

/** A private key in the configuration is a mistake worth an error: `createPublicKey` would quietly take its half. */
function publicKeyOf(pem: string): KeyObject {
  if (pem.includes('PRIVATE KEY')) throw invalidSetting('expected a public key, got a private one');
  return createPublicKey(pem);
}

/**
 * Reads a JWKS (RFC 7517 section 5). Keys that cannot verify a token of ours are passed over, as the RFC asks: other
 * types, uses and curves, weak ones. The document as a whole is refused, with `Fault('unavailable')`, when it is no
 * strict JSON, has over 100 keys, has no usable one, shows a private key, or gives one id to two keys of one algorithm:
 * which of them counts would depend on the reader.
 */
export function parseJwks(body: Uint8Array): readonly VerificationKey[] {
  let document: unknown;
  try {
    document = parseStrictJson(fromUtf8(body), { maxBytes: maxJwksBytes, maxDepth: 8 });
  } catch (cause) {
    throw unavailable('expected a JWKS in strict JSON from the issuer, got something else', cause);
  }
  const listed = isObject(document) ? document['keys'] : undefined;
  if (!Array.isArray(listed) || listed.length > maxKeys)
    throw unavailable(`expected a JWKS with at most ${maxKeys} keys from the issuer, got something else`);
  const keys = listed.flatMap((jwk: unknown) => readJwk(jwk));
  if (keys.length === 0) throw unavailable('expected a usable key in the JWKS of the issuer, got none');
  const seen = new Set<string>();
  for (const { id, algorithms } of keys) {
    for (const algorithm of id === undefined ? [] : algorithms) {
      const name = `${algorithm} ${id}`;
      if (seen.has(name)) throw unavailable('expected one key per id in the JWKS of the issuer, got two');
      seen.add(name);
    }
  }
  return keys;
}

function readJwk(jwk: unknown): readonly VerificationKey[] {
  if (!isObject(jwk)) return [];
  // "oct" is a secret by nature and "k" its value; for the others, "d" is the private half.
  if (jwk['kty'] === 'oct') return [];
  if (Object.hasOwn(jwk, 'd'))
    throw unavailable('expected public keys in the JWKS of the issuer, got a private one');
  const { kty, n, e, crv, x, y, kid, alg, use, key_ops: uses } = jwk;
  if (use !== undefined && use !== 'sig') return [];
  if (uses !== undefined && !(Array.isArray(uses) && uses.includes('verify'))) return [];
  if (kid !== undefined && (typeof kid !== 'string' || kid === '')) return [];
  let key: KeyObject;
  try {
    // Wrong types and values are what createPublicKey refuses.
    key = createPublicKey({ key: { kty, n, e, crv, x, y } as webcrypto.JsonWebKey, format: 'jwk' });
  } catch {
    return [];
  }
  const algorithms = algorithmsOf(key).filter((algorithm) => alg === undefined || algorithm === alg);
  return algorithms.length === 0 ? [] : [{ id: kid, algorithms, key }];
}

const curveAlgorithm: Readonly<Record<string, JwtAlgorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/** What the key may verify: its own type decides, never the header of a token (RFC 8725 section 3.1). */
function algorithmsOf(key: KeyObject): readonly JwtAlgorithm[] {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa': {
      // With an exponent of 1 every text signs itself; huge ones only cost time.
      const sound = publicExponent >= 3n && publicExponent < 2n ** 32n && publicExponent % 2n === 1n;
      return sound && modulusLength >= minRsaBits && modulusLength <= maxRsaBits
        ? jwtAlgorithms.filter((algorithm) => algorithm.startsWith('RS') || algorithm.startsWith('PS'))
        : [];
    }
    case 'ec': {
      const algorithm = Object.hasOwn(curveAlgorithm, namedCurve) ? curveAlgorithm[namedCurve] : undefined;
      return algorithm === undefined ? [] : [algorithm];
    }
    case 'ed25519':
      return ['EdDSA'];
    default:
      return [];
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
