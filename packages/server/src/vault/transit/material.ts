import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { Random } from '#platform';
import { brokenKey } from './faults.ts';
import { factsOf, type KeyFacts, type KeyType, type RsaFacts } from './key-types.ts';

/** The secret and public part of one version, as `KeyVersion` keeps them. */
export interface Material {
  readonly material: string;
  readonly publicKey: string;
}

// PKCS#8 and SubjectPublicKeyInfo of Ed25519 up to the 32 bytes (RFC 8410 sections 4 and 7).
const ed25519Pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const ed25519Spki = Buffer.from('302a300506032b6570032100', 'hex');

/** New material of every type but RSA, which takes too long to wait for: see `generateRsa`. */
export function generateMaterial(type: KeyType, keySizeBytes: number, random: Random): Material {
  const facts = factsOf(type);
  switch (facts.family) {
    case 'aead':
      return symmetric(random.bytes(facts.keySizeBytes));
    case 'hmac':
      return symmetric(random.bytes(keySizeBytes));
    case 'ed25519':
      return asymmetric(facts, generateKeyPairSync('ed25519').privateKey);
    case 'ecdsa':
      return asymmetric(facts, generateKeyPairSync('ec', { namedCurve: facts.curve }).privateKey);
    case 'rsa':
      throw brokenKey('expected a type whose keys are made at once, got rsa');
  }
}

/** A new RSA key (public exponent 65537), made in a thread of its own pool: 4096 bits take seconds. */
export async function generateRsa(facts: RsaFacts): Promise<Material> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: facts.bits });
  return asymmetric(facts, privateKey);
}

/** Raw bytes as material; overwrites them. */
export function symmetric(bytes: Uint8Array): Material {
  const material = Buffer.from(bytes).toString('base64');
  bytes.fill(0);
  return { material, publicKey: '' };
}

export function asymmetric(facts: KeyFacts, privateKey: KeyObject): Material {
  const publicKey = publicText(facts, createPublicKey(privateKey));
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  if (facts.family !== 'ed25519') {
    const material = pkcs8.toString('base64');
    pkcs8.fill(0);
    return { material, publicKey };
  }
  const seed = ed25519Seed(privateKey);
  const both = Buffer.concat([seed, Buffer.from(publicKey, 'base64')]);
  const material = both.toString('base64');
  for (const bytes of [pkcs8, seed, both]) bytes.fill(0);
  return { material, publicKey };
}

export function publicText(facts: KeyFacts, key: KeyObject): string {
  if (facts.family !== 'ed25519') return key.export({ format: 'pem', type: 'spki' }).toString();
  return key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
}

/** The seed as a key; overwrites it. */
export function ed25519Private(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([ed25519Pkcs8, seed]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
    seed.fill(0);
  }
}

export function ed25519Public(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([ed25519Spki, bytes]), format: 'der', type: 'spki' });
}

function ed25519Seed(key: KeyObject): Buffer {
  const { d } = key.export({ format: 'jwk' });
  if (d === undefined) throw brokenKey('expected a private Ed25519 key, got one without its seed');
  return Buffer.from(d, 'base64url');
}
