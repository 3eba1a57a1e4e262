import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { derFields } from '../asn1/fields.ts';
import { parseDer } from '../asn1/parse.ts';
import { derBitBytes, derOid } from '../asn1/values.ts';
import { der } from '../asn1/write.ts';
import { Fault } from '../fault.ts';

export type HashName = 'sha256' | 'sha384' | 'sha512';
export type KeyKind = 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa';

/** A public key of another installation or authority: the kinds that certificates, logs and timestamps are signed with. */
export interface VerifyingKey {
  readonly kind: KeyKind;
  /** The SubjectPublicKeyInfo as it came: identifiers of keys are hashes of these bytes. */
  readonly spki: Uint8Array;
  readonly object: KeyObject;
}

const rsaOid = '1.2.840.113549.1.1.1';
const curves: Readonly<Record<string, KeyKind>> = {
  '1.2.840.10045.3.1.7': 'p256',
  '1.3.132.0.34': 'p384',
  '1.3.132.0.35': 'p521',
};

/** Reads a SubjectPublicKeyInfo: P-256, P-384, P-521, Ed25519, or RSA of 2048 to 8192 bits. */
export function readVerifyingKey(spki: Uint8Array): VerifyingKey {
  const fields = derFields(parseDer(spki, { maxBytes: 2048 }), 'public key');
  const algorithm = derFields(fields.take('algorithm'), 'algorithm');
  derBitBytes(fields.take('key'), 'key');
  fields.end();
  const kind = kindOf(derOid(algorithm.take('identifier'), 'identifier'), () =>
    derOid(algorithm.take('curve'), 'curve'),
  );
  if (kind === undefined) throw refused('a P-256, P-384, P-521, Ed25519 or RSA key');
  let object: KeyObject;
  try {
    object = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw refused('a public key that OpenSSL can read', cause);
  }
  const bits = object.asymmetricKeyDetails?.modulusLength;
  if (kind === 'rsa' && (bits === undefined || bits < 2048 || bits > 8192)) {
    throw refused('an RSA key of 2048 to 8192 bits');
  }
  return { kind, spki, object };
}

/** The SubjectPublicKeyInfo of an RSA key that came as bare PKCS #1, as trust roots name old logs. */
export function spkiOfPkcs1(pkcs1: Uint8Array): Uint8Array {
  return der.sequence(der.sequence(der.oid(rsaOid), der.null()), der.bitString(pkcs1));
}

function kindOf(algorithm: string, curve: () => string): KeyKind | undefined {
  if (algorithm === '1.2.840.10045.2.1') return curves[curve()];
  if (algorithm === '1.3.101.112') return 'ed25519';
  return algorithm === rsaOid ? 'rsa' : undefined;
}

/** The hash that signatures by this kind of key are made with when nothing else is said. */
export function usualHash(kind: KeyKind): HashName {
  if (kind === 'p384') return 'sha384';
  return kind === 'p521' ? 'sha512' : 'sha256';
}

/**
 * Whether `signature` is one over `message`: ECDSA in DER, RSA PKCS #1 v1.5, or Ed25519, which has no `hash` of its
 * own. What OpenSSL cannot read as a signature is none.
 */
export function verifySignature(
  key: VerifyingKey,
  hash: HashName,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (key.kind === 'ed25519') return signature.length === 64 && verify(null, message, key.object, signature);
  if (key.kind === 'rsa') return verify(hash, message, key.object, signature);
  return verify(hash, message, { key: key.object, dsaEncoding: 'der' }, signature);
}

function refused(expected: string, cause?: unknown): Fault {
  return new Fault('invalid', 'formats.public_key', `expected ${expected}, got another`, { cause });
}
