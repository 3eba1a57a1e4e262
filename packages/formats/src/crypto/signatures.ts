import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { equalBytes } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';

/** DER of an Ed25519 SubjectPublicKeyInfo before the 32 key bytes (RFC 8410 section 4); there is exactly one form. */
const ed25519Prefix = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0);

/**
 * DER of a P-256 SubjectPublicKeyInfo with an uncompressed point, before its 64 coordinate bytes (RFC 5480). Other
 * encodings of the same key are refused: the log leaf contains these bytes, so one key must have one spelling.
 */
const p256Prefix = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1],
  ...[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0, 4],
);

/** The 32 raw bytes of an Ed25519 public key in SPKI form. */
export function ed25519Raw(spki: Uint8Array): Uint8Array {
  requireForm(spki, ed25519Prefix, 32, 'Ed25519');
  return spki.slice(ed25519Prefix.length);
}

/** Throws unless `spki` is the one DER encoding of a point on P-256. */
export function checkP256(spki: Uint8Array): void {
  p256Key(spki);
}

/** Whether `signature` is Ed25519 (RFC 8032) over `message` by the key in `spki`. */
export function verifyEd25519(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  requireForm(spki, ed25519Prefix, 32, 'Ed25519');
  return signature.length === 64 && verify(null, message, importKey(spki, 'Ed25519'), signature);
}

/** Whether `signature` (DER) is ECDSA with P-256 and SHA-256 over `message` by the key in `spki`. */
export function verifyP256(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return verify('sha256', message, { key: p256Key(spki), dsaEncoding: 'der' }, signature);
}

function p256Key(spki: Uint8Array): KeyObject {
  requireForm(spki, p256Prefix, 64, 'P-256');
  return importKey(spki, 'P-256');
}

function requireForm(spki: Uint8Array, prefix: Uint8Array, sizeBytes: number, curve: string): void {
  if (spki.length !== prefix.length + sizeBytes || !equalBytes(spki.subarray(0, prefix.length), prefix)) {
    throw new Fault(
      'invalid',
      'formats.public_key',
      `expected the SubjectPublicKeyInfo of an ${curve} key, got ${spki.length} other bytes`,
    );
  }
}

function importKey(spki: Uint8Array, curve: string): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new Fault('invalid', 'formats.public_key', `the ${curve} public key is not a point of the curve`, {
      cause,
    });
  }
}
