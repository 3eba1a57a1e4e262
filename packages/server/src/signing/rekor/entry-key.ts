import { createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { equalBytes, Fault } from '@sallyport/formats';
import {
  type DigestVerifier,
  digestBytes,
  ecdsaDigestVerifier,
  rsaDigestVerifier,
} from './digest-signature.ts';

/**
 * What a key of one kind signs with. Verifiers rebuild the leaf with the default of the kind, so that a leaf with
 * another would never be found again.
 */
export interface EntryAlgorithm {
  /** `PublicKeyDetails` of Sigstore's protobuf-specs. */
  readonly keyDetails: string;
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** `HashAlgorithm` of protobuf-specs. */
  readonly hashName: 'SHA2_256' | 'SHA2_384' | 'SHA2_512';
}

/** The key of an entry: what verifies its signature, and how the entry spells it. */
export interface EntryKey {
  readonly form: 'x509Certificate' | 'publicKey';
  readonly rawBytes: Uint8Array;
  readonly algorithm: EntryAlgorithm;
  readonly certificate: X509Certificate | undefined;
  /** PEM (RFC 7468), as the first log API spells keys in its entries. */
  readonly pem: string;
  readonly signedDigest: DigestVerifier;
  signedMessage(message: Uint8Array, signature: Uint8Array): boolean;
}

const maxKeyBytes = 16_384;
const hashNames = { sha256: 'SHA2_256', sha384: 'SHA2_384', sha512: 'SHA2_512' } as const;
const ecDetails: Readonly<Record<string, string>> = {
  sha256: 'PKIX_ECDSA_P256_SHA_256',
  sha384: 'PKIX_ECDSA_P384_SHA_384',
  sha512: 'PKIX_ECDSA_P521_SHA_512',
};
const ecHashes: Readonly<Record<string, EntryAlgorithm['hash']>> = {
  prime256v1: 'sha256',
  secp384r1: 'sha384',
  secp521r1: 'sha512',
};
const rsaBits: readonly number[] = [2048, 3072, 4096];

/** Reads the key of a request, in DER. Refuses what is not exactly one certificate or key, and what does not prehash. */
export function readEntryKey(form: EntryKey['form'], rawBytes: Uint8Array): EntryKey {
  if (rawBytes.length === 0 || rawBytes.length > maxKeyBytes) throw refused(`${rawBytes.length} bytes`);
  const certificate = form === 'x509Certificate' ? certificateOf(rawBytes) : undefined;
  const key = certificate?.publicKey ?? publicKeyOf(rawBytes);
  const { algorithm, signedDigest } = capabilities(key);
  return {
    form,
    rawBytes,
    algorithm,
    certificate,
    pem: pemOf(form === 'x509Certificate' ? 'CERTIFICATE' : 'PUBLIC KEY', rawBytes),
    signedDigest: (digest, signature) =>
      digest.length === digestBytes[algorithm.hash] && signedDigest(digest, signature),
    signedMessage: (message, signature) => verify(algorithm.hash, message, key, signature),
  };
}

/** A PEM of one certificate or public key, as the first log API takes them. */
export function readPemKey(pem: string): EntryKey {
  const match = /^\s*-----BEGIN (CERTIFICATE|PUBLIC KEY)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----\s*$/.exec(
    pem,
  );
  const [, label, body = ''] = match ?? [];
  if (label === undefined) throw refused('other text');
  const bytes = Uint8Array.from(Buffer.from(body, 'base64'));
  return readEntryKey(label === 'CERTIFICATE' ? 'x509Certificate' : 'publicKey', bytes);
}

function certificateOf(rawBytes: Uint8Array): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(rawBytes);
    certificate.publicKey;
  } catch (cause) {
    throw refused('other bytes', cause);
  }
  // OpenSSL reads PEM as well, and passes over what follows: neither is what others would rebuild the leaf from.
  if (!equalBytes(Uint8Array.from(certificate.raw), rawBytes)) throw refused('bytes around a certificate');
  return certificate;
}

function publicKeyOf(rawBytes: Uint8Array): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(rawBytes), format: 'der', type: 'spki' });
  } catch (cause) {
    throw refused('other bytes', cause);
  }
  const exported = Uint8Array.from(key.export({ format: 'der', type: 'spki' }));
  if (!equalBytes(exported, rawBytes)) throw refused('another spelling of a key');
  return key;
}

function capabilities(key: KeyObject): { algorithm: EntryAlgorithm; signedDigest: DigestVerifier } {
  const { asymmetricKeyType, asymmetricKeyDetails = {} } = key;
  if (asymmetricKeyType === 'ec') {
    const hash = ecHashes[asymmetricKeyDetails.namedCurve ?? ''];
    const signedDigest = ecdsaDigestVerifier(key);
    if (hash !== undefined && signedDigest !== undefined) {
      return { algorithm: algorithmOf(ecDetails[hash] ?? '', hash), signedDigest };
    }
  }
  const bits = asymmetricKeyDetails.modulusLength ?? 0;
  if (asymmetricKeyType === 'rsa' && rsaBits.includes(bits)) {
    const algorithm = algorithmOf(`PKIX_RSA_PKCS1V15_${bits}_SHA256`, 'sha256');
    return { algorithm, signedDigest: rsaDigestVerifier(key) };
  }
  throw new Fault(
    'invalid',
    'rekor.algorithm',
    `expected a key on P-256, P-384 or P-521, or RSA with 2048, 3072 or 4096 bits, got ${asymmetricKeyType ?? 'another'}`,
    { hint: 'Ed25519 does not sign a digest, which is all that the log is told' },
  );
}

function algorithmOf(keyDetails: string, hash: EntryAlgorithm['hash']): EntryAlgorithm {
  return { keyDetails, hash, hashName: hashNames[hash] };
}

/** PEM (RFC 7468) of DER, with lines of 64 characters. */
export function pemOf(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function refused(got: string, cause?: unknown): Fault {
  return new Fault(
    'invalid',
    'rekor.key',
    `expected one X.509 certificate or public key (SubjectPublicKeyInfo) in DER, got ${got}`,
    cause === undefined ? {} : { cause },
  );
}
