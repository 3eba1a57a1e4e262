import { derFields } from '../asn1/fields.ts';
import type { DerNode } from '../asn1/parse.ts';
import { derOid } from '../asn1/values.ts';
import { type HashName, type VerifyingKey, verifySignature } from '../crypto/verifying-key.ts';
import { Fault } from '../fault.ts';

/** How something was signed: the kind of key it takes and the hash, `any` where the key alone decides. */
export interface SignatureAlgorithm {
  readonly key: 'ec' | 'rsa' | 'ed25519';
  /** Undefined for `rsaEncryption`, which CMS uses with the digest algorithm beside it (RFC 3370 section 3.2). */
  readonly hash: HashName | undefined;
}

const algorithms: Readonly<Record<string, SignatureAlgorithm>> = {
  '1.2.840.10045.4.3.2': { key: 'ec', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { key: 'ec', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { key: 'ec', hash: 'sha512' },
  '1.2.840.113549.1.1.1': { key: 'rsa', hash: undefined },
  '1.2.840.113549.1.1.11': { key: 'rsa', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { key: 'rsa', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { key: 'rsa', hash: 'sha512' },
  '1.3.101.112': { key: 'ed25519', hash: 'sha512' },
};

const hashes: Readonly<Record<string, HashName>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** Reads an AlgorithmIdentifier of a signature. SHA-1 and everything else that is broken has no place in the table. */
export function readSignatureAlgorithm(node: DerNode): SignatureAlgorithm {
  const oid = derOid(derFields(node, 'signature algorithm').take('identifier'), 'identifier');
  const found = Object.hasOwn(algorithms, oid) ? algorithms[oid] : undefined;
  if (found === undefined) throw unknown('a signature by ECDSA, RSA or Ed25519 with SHA-2', oid);
  return found;
}

/** Reads an AlgorithmIdentifier of a hash: SHA-256, SHA-384 or SHA-512. */
export function readHashAlgorithm(node: DerNode): HashName {
  const oid = derOid(derFields(node, 'hash algorithm').take('identifier'), 'identifier');
  const found = Object.hasOwn(hashes, oid) ? hashes[oid] : undefined;
  if (found === undefined) throw unknown('SHA-256, SHA-384 or SHA-512', oid);
  return found;
}

/** Whether `signature` over `message` is by `key`, which must be of the kind that `algorithm` names. */
export function verifySigned(
  key: VerifyingKey,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const kind = key.kind === 'rsa' || key.kind === 'ed25519' ? key.kind : 'ec';
  if (kind !== algorithm.key || algorithm.hash === undefined) return false;
  return verifySignature(key, algorithm.hash, message, signature);
}

function unknown(expected: string, got: string): Fault {
  return new Fault('invalid', 'formats.algorithm', `expected ${expected}, got ${got}`);
}
