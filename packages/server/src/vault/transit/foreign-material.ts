import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { refused } from './faults.ts';
import type { KeyVersion, VersionSecret } from './key.ts';
import { hmacKeySize, type KeyFacts } from './key-types.ts';
import {
  asymmetric,
  ed25519Private,
  ed25519Public,
  type Material,
  publicText,
  symmetric,
} from './material.ts';

/** RSA-4096 takes less than 1 KiB. */
const maxPemLength = 4096;

/** A private key from outside, checked against its type and its own public half. Overwrites `bytes` if symmetric. */
export function privateMaterial(facts: KeyFacts, bytes: Buffer): Material {
  if (facts.family === 'aead' || facts.family === 'hmac') {
    const { min, max } =
      facts.family === 'hmac' ? hmacKeySize : { min: facts.keySizeBytes, max: facts.keySizeBytes };
    if (bytes.length >= min && bytes.length <= max) return symmetric(bytes);
    throw refused(
      'import',
      `expected a key of ${min}${min === max ? '' : ` to ${max}`} bytes, got ${bytes.length}`,
    );
  }
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' });
  } catch {
    throw refused('import', 'expected a private key as PKCS#8 in DER, got other bytes');
  }
  requireType(facts, key);
  requirePair(facts, key);
  return asymmetric(facts, key);
}

/** A public key from outside, as PEM. */
export function publicMaterial(facts: KeyFacts, pem: string): Material {
  if (facts.family === 'aead' || facts.family === 'hmac') {
    throw refused('import', 'expected a type that has a public half for public_key');
  }
  let key: KeyObject;
  try {
    // Only the public form: createPublicKey would also take a private key, and this field is not treated as a secret.
    if (pem.length > maxPemLength || !pem.includes('BEGIN PUBLIC KEY')) throw new Error('not public');
    key = createPublicKey(pem);
  } catch {
    throw refused('import', 'expected public_key as PEM of a SubjectPublicKeyInfo, got other text');
  }
  requireType(facts, key);
  return { material: '', publicKey: publicText(facts, key) };
}

function requireType(facts: KeyFacts, key: KeyObject): void {
  const { asymmetricKeyType: found, asymmetricKeyDetails: details } = key;
  const fits =
    (facts.family === 'ed25519' && found === 'ed25519') ||
    (facts.family === 'ecdsa' && found === 'ec' && details?.namedCurve === facts.asn1Curve) ||
    (facts.family === 'rsa' && found === 'rsa' && details?.modulusLength === facts.bits);
  if (!fits)
    throw refused('import', `expected a key of family ${facts.family} and the size of its type, got another`);
}

/** A private key whose public half is another's would sign what nobody can verify. */
function requirePair(facts: KeyFacts, key: KeyObject): void {
  const probe = Buffer.from('sallyport');
  const hash = facts.family === 'ed25519' ? null : 'sha256';
  let fits = false;
  try {
    fits = verify(hash, probe, createPublicKey(key), sign(hash, probe, key));
  } catch {
    fits = false;
  }
  if (!fits) throw refused('import', 'expected a private key that belongs to its public half, got another');
}

/** A version that was written down, as if a stranger had written it: throws unless it is what its type says. */
export function requireForeignVersion(facts: KeyFacts, version: KeyVersion, secret: VersionSecret): void {
  const material = Buffer.from(secret.material, 'base64');
  const hmacKey = Buffer.from(secret.hmacKey, 'base64');
  try {
    const again = readAgain(facts, version, material);
    const hmacFits = facts.family === 'hmac' ? secret.hmacKey === secret.material : hmacKey.length === 32;
    if (hmacFits && again.material === secret.material && again.publicKey === version.publicKey) return;
  } finally {
    material.fill(0);
    hmacKey.fill(0);
  }
  throw refused('import', 'expected a version whose parts belong together, got others');
}

function readAgain(facts: KeyFacts, version: KeyVersion, material: Buffer): Material {
  if (facts.family === 'aead' || facts.family === 'hmac') return privateMaterial(facts, material);
  if (facts.family === 'ed25519') {
    if (material.length === 64) return asymmetric(facts, ed25519Private(material.subarray(0, 32)));
    const publicKey = Buffer.from(version.publicKey, 'base64');
    if (material.length > 0 || publicKey.length !== 32) throw refused('import', 'expected an Ed25519 key');
    return { material: '', publicKey: publicText(facts, ed25519Public(publicKey)) };
  }
  if (material.length === 0) return publicMaterial(facts, version.publicKey);
  return privateMaterial(facts, material);
}
