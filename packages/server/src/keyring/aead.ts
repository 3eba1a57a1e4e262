import { createCipheriv, createDecipheriv } from 'node:crypto';
import { concatBytes, Fault, utf8 } from '@sallyport/formats';

/**
 * AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags, and the framing of its associated data.
 * A sealed value is `nonce || ciphertext || tag`; a record keeps its nonce in a column of its own.
 */
export const keySizeBytes = 32;
export const nonceSizeBytes = 12;
export const tagSizeBytes = 16;

/** The size of a wrapped 256-bit key; any other size is not one. */
export const wrappedKeySizeBytes = nonceSizeBytes + keySizeBytes + tagSizeBytes;

/**
 * Associated data as a list of length-prefixed parts, so that no two lists give the same bytes: without the lengths,
 * scope `a` with address `bc` could be passed off as scope `ab` with address `c`.
 */
export function associatedData(purpose: string, ...parts: ReadonlyArray<string | number>): Uint8Array {
  const framed: Uint8Array[] = [];
  for (const part of [`sallyport/keyring/v1/${purpose}`, ...parts.map(String)]) {
    const bytes = utf8(part);
    const size = new Uint8Array(4);
    new DataView(size.buffer).setUint32(0, bytes.length);
    framed.push(size, bytes);
  }
  return concatBytes(...framed);
}

/** `ciphertext || tag`. The caller promises that `key` never meets the same nonce twice. */
export function encryptBytes(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  requireSize(key, keySizeBytes, 'key');
  requireSize(nonce, nonceSizeBytes, 'nonce');
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagSizeBytes });
  cipher.setAAD(aad);
  return concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** The plaintext, which the caller wipes, or `undefined` for whatever reason it does not open. */
export function decryptBytes(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  if (key.length !== keySizeBytes || nonce.length !== nonceSizeBytes || sealed.length < tagSizeBytes) {
    return undefined;
  }
  const end = sealed.length - tagSizeBytes;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagSizeBytes });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
    return plaintext;
  } catch {
    // GCM decrypts before it knows the tag is wrong; unauthenticated plaintext must not leave this function.
    plaintext.fill(0);
    return undefined;
  }
}

/** A key under another key: `nonce || ciphertext || tag`. */
export function wrapKey(under: Uint8Array, nonce: Uint8Array, aad: Uint8Array, key: Uint8Array): Uint8Array {
  requireSize(key, keySizeBytes, 'key to wrap');
  return concatBytes(nonce, encryptBytes(under, nonce, aad, key));
}

/** The key, which the caller wipes, or `undefined` for whatever reason it does not open. */
export function unwrapKey(under: Uint8Array, aad: Uint8Array, wrapped: Uint8Array): Uint8Array | undefined {
  if (wrapped.length !== wrappedKeySizeBytes) return undefined;
  return decryptBytes(under, wrapped.subarray(0, nonceSizeBytes), aad, wrapped.subarray(nonceSizeBytes));
}

function requireSize(bytes: Uint8Array, sizeBytes: number, what: string): void {
  if (bytes.length !== sizeBytes) {
    throw new Fault(
      'internal',
      'keyring.size',
      `expected a ${what} of ${sizeBytes} bytes, got ${bytes.length}`,
    );
  }
}
