import { equalBytes } from '../bytes/bytes.ts';
import { type Digest, digestHash } from '../bytes/digest.ts';
import { verifyDigest } from '../crypto/ecdsa-digest.ts';
import { sha2 } from '../crypto/sha256.ts';
import { type HashName, usualHash, type VerifyingKey, verifySignature } from '../crypto/verifying-key.ts';
import { pae } from '../dsse/envelope.ts';
import type { BundleContent, DigestAlgorithm } from './document.ts';
import { refusal } from './refusal.ts';

/** What is verified: the bytes, or their digest when the bytes are elsewhere. */
export type Artifact = { readonly bytes: Uint8Array } | { readonly digest: Digest };

/** What the signature of a bundle is over. */
export interface SignedContent {
  readonly signature: Uint8Array;
  /** The hash of what was signed, as a log entry names it; undefined when only another hash of it is known. */
  hash(name: HashName): Uint8Array | undefined;
  /** The envelope's payload, when there is one. */
  readonly payload: Uint8Array | undefined;
  /** Throws unless the signature is one by `key`. */
  requireSignedBy(key: VerifyingKey): void;
}

/** The hashes that bundles name. */
export const hashNames: Readonly<Record<DigestAlgorithm, HashName>> = {
  SHA2_256: 'sha256',
  SHA2_384: 'sha384',
  SHA2_512: 'sha512',
};

/** Puts the bundle's signature and the bytes that it is over together; what the bundle says of them must be true. */
export function signedContent(content: BundleContent, artifact: Artifact): SignedContent {
  return content.kind === 'envelope' ? envelopeContent(content) : messageContent(content, artifact);
}

function envelopeContent(content: BundleContent & { kind: 'envelope' }): SignedContent {
  const signed = pae(content.payloadType, content.payload);
  return {
    signature: content.signature,
    payload: content.payload,
    hash: (name) => sha2(name, signed),
    requireSignedBy: (key) => {
      if (!verifySignature(key, usualHash(key.kind), signed, content.signature)) throw badSignature();
    },
  };
}

function messageContent(content: BundleContent & { kind: 'message' }, artifact: Artifact): SignedContent {
  const hash = hashOf(artifact);
  const named = content.digest === undefined ? undefined : hashNames[content.digest.algorithm];
  if (content.digest !== undefined && named !== undefined) {
    const found = hash(named);
    if (found === undefined) throw needsBytes(named);
    if (!equalBytes(found, content.digest.digest))
      throw refusal('artifact', 'the artifact that was signed', 'another');
  }
  return {
    signature: content.signature,
    payload: undefined,
    hash,
    requireSignedBy: (key) => {
      const name = named ?? usualHash(key.kind);
      if ('bytes' in artifact) {
        if (!verifySignature(key, name, artifact.bytes, content.signature)) throw badSignature();
        return;
      }
      const digest = hash(name);
      if (digest === undefined || key.kind === 'ed25519' || key.kind === 'rsa' || key.kind === 'p521') {
        throw needsBytes(`${key.kind} with ${name}`);
      }
      if (!verifyDigest(key, digest, content.signature)) throw badSignature();
    },
  };
}

function hashOf(artifact: Artifact): SignedContent['hash'] {
  if ('digest' in artifact) return (name) => (name === 'sha256' ? digestHash(artifact.digest) : undefined);
  const known = new Map<HashName, Uint8Array>();
  return (name) => {
    const hash = known.get(name) ?? sha2(name, artifact.bytes);
    known.set(name, hash);
    return hash;
  };
}

function badSignature() {
  return refusal('signature', 'a valid signature over the artifact', 'one that is not');
}

function needsBytes(what: string) {
  return refusal('artifact', `the artifact itself for a signature by ${what}`, 'its digest only');
}
