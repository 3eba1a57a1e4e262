import { refused } from './faults.ts';

/** What each type of key can do. `cipher`, `curve` and `bits` are in the words of node:crypto. */
const facts = {
  'aes128-gcm96': { family: 'aead', cipher: 'aes-128-gcm', keySizeBytes: 16 },
  'aes256-gcm96': { family: 'aead', cipher: 'aes-256-gcm', keySizeBytes: 32 },
  'chacha20-poly1305': { family: 'aead', cipher: 'chacha20-poly1305', keySizeBytes: 32 },
  ed25519: { family: 'ed25519' },
  'ecdsa-p256': { family: 'ecdsa', curve: 'P-256', asn1Curve: 'prime256v1', coordinateSizeBytes: 32 },
  'ecdsa-p384': { family: 'ecdsa', curve: 'P-384', asn1Curve: 'secp384r1', coordinateSizeBytes: 48 },
  'ecdsa-p521': { family: 'ecdsa', curve: 'P-521', asn1Curve: 'secp521r1', coordinateSizeBytes: 66 },
  'rsa-2048': { family: 'rsa', bits: 2048 },
  'rsa-3072': { family: 'rsa', bits: 3072 },
  'rsa-4096': { family: 'rsa', bits: 4096 },
  hmac: { family: 'hmac' },
} as const;

export type KeyType = keyof typeof facts;
export type KeyFacts = (typeof facts)[KeyType];
export type AeadFacts = Extract<KeyFacts, { family: 'aead' }>;
export type EcdsaFacts = Extract<KeyFacts, { family: 'ecdsa' }>;
export type RsaFacts = Extract<KeyFacts, { family: 'rsa' }>;
export type Curve = EcdsaFacts['curve'];

/** Sizes of a key of type hmac, in bytes. */
export const hmacKeySize = { min: 32, max: 512, default: 32 } as const;

export function factsOf(type: KeyType): KeyFacts {
  return facts[type];
}

/** Reads a type by Vault's name. Throws `vault.transit_type`, also for types this platform has no cipher for. */
export function parseKeyType(name: string): KeyType {
  if (Object.hasOwn(facts, name)) return name as KeyType; // Its own keys are what KeyType is.
  if (name === 'xchacha20-poly1305') {
    throw refused('type', 'expected a key type that OpenSSL has, got xchacha20-poly1305: use aes256-gcm96');
  }
  throw refused('type', `unknown key type ${JSON.stringify(name.slice(0, 40))}`);
}

export function canEncrypt({ family }: KeyFacts): boolean {
  return family === 'aead' || family === 'rsa';
}

export function canSign({ family }: KeyFacts): boolean {
  return family === 'ed25519' || family === 'ecdsa' || family === 'rsa';
}

export function canDerive({ family }: KeyFacts): boolean {
  return family === 'aead' || family === 'ed25519';
}
