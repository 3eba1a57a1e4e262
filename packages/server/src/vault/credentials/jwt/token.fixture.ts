import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** Signs tokens with Node's own cryptography, not with the library that verifies them. */
export interface TestKey {
  readonly id: string;
  readonly algorithm: string;
  readonly privateKey: KeyObject;
  readonly pem: string;
  /** As it stands in a JWKS. */
  readonly jwk: Readonly<Record<string, unknown>>;
}

export function makeKey(algorithm: string, id = `key-${algorithm}`, rsaBits = 2048): TestKey {
  const { publicKey, privateKey } = generate(algorithm, rsaBits);
  return {
    id,
    algorithm,
    privateKey,
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    jwk: { ...publicKey.export({ format: 'jwk' }), kid: id, alg: algorithm, use: 'sig' },
  };
}

function generate(algorithm: string, rsaBits: number) {
  if (algorithm === 'EdDSA') return generateKeyPairSync('ed25519');
  const curve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521', ES256K: 'secp256k1' }[algorithm];
  if (curve !== undefined) return generateKeyPairSync('ec', { namedCurve: curve });
  return generateKeyPairSync('rsa', { modulusLength: rsaBits });
}

export function signToken(key: TestKey, claims: object, header: object = {}): string {
  return signText(key, JSON.stringify(claims), { alg: key.algorithm, typ: 'JWT', kid: key.id, ...header });
}

/** Signs any text as claims, and any header: an object, or the text of one. */
export function signText(key: TestKey, claims: string, header: object | string): string {
  const input = `${encode(typeof header === 'string' ? header : JSON.stringify(header))}.${encode(claims)}`;
  return `${input}.${signature(key, input).toString('base64url')}`;
}

/** What an attacker makes who knows only the public key. */
export function hmacToken(secret: string, claims: object, header: object): string {
  const input = `${encode(JSON.stringify(header))}.${encode(JSON.stringify(claims))}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

function signature({ algorithm, privateKey }: TestKey, input: string): Buffer {
  const bytes = Buffer.from(input);
  if (algorithm === 'EdDSA') return sign(null, bytes, privateKey);
  const hash = `sha${algorithm.slice(2, 5)}`;
  if (algorithm.startsWith('ES')) return sign(hash, bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  // RFC 7518 section 3.5: PSS with a salt as long as the hash.
  return algorithm.startsWith('PS')
    ? sign(hash, bytes, { key: privateKey, padding: 6, saltLength: Number(algorithm.slice(2)) / 8 })
    : sign(hash, bytes, privateKey);
}

export function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}
