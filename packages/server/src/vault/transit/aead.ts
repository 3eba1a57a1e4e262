import { type CipherGCMTypes, createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import type { Random } from '#platform';
import type { AeadFacts } from './key-types.ts';

const nonceSizeBytes = 12;
const tagSizeBytes = 16;
const tagLength = { authTagLength: tagSizeBytes } as const;

/**
 * `nonce || ciphertext || tag`, for AES-GCM (NIST SP 800-38D) and ChaCha20-Poly1305 (RFC 8439). The caller promises
 * that no two plaintexts under `key` share `nonce`.
 */
export function seal(
  facts: AeadFacts,
  key: KeyObject | Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array | undefined,
): Buffer {
  const cipher = createCipheriv(name(facts), key, nonce, tagLength);
  if (associated !== undefined) cipher.setAAD(associated, { plaintextLength: plaintext.length });
  const body = cipher.update(plaintext);
  // Neither mode holds bytes back: final gives none, and only closes the tag.
  cipher.final();
  return Buffer.concat([nonce, body, cipher.getAuthTag()]);
}

/** The plaintext, which the caller overwrites, or undefined for whatever reason it does not open. */
export function open(
  facts: AeadFacts,
  key: KeyObject | Uint8Array,
  sealed: Uint8Array,
  associated: Uint8Array | undefined,
): Buffer | undefined {
  const end = sealed.length - tagSizeBytes;
  if (end < nonceSizeBytes) return undefined;
  const decipher = createDecipheriv(name(facts), key, sealed.subarray(0, nonceSizeBytes), tagLength);
  if (associated !== undefined) decipher.setAAD(associated, { plaintextLength: end - nonceSizeBytes });
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(nonceSizeBytes, end));
  try {
    decipher.final();
    return plaintext;
  } catch {
    // The mode decrypts before it knows the tag is wrong; unauthenticated plaintext must not leave this function.
    plaintext.fill(0);
    return undefined;
  }
}

/** Random nonces, drawn many at a time: one call of the generator costs as much as the rest of an encryption. */
export function createNonces(random: Random): () => Uint8Array {
  let drawn: Uint8Array = new Uint8Array(0);
  let at = 0;
  return () => {
    if (at + nonceSizeBytes > drawn.length) {
      drawn = random.bytes(nonceSizeBytes * 256);
      at = 0;
    }
    at += nonceSizeBytes;
    return drawn.subarray(at - nonceSizeBytes, at);
  };
}

function name(facts: AeadFacts): CipherGCMTypes {
  // node:crypto's types list the modes apart; both take the same options and methods.
  return facts.cipher as CipherGCMTypes;
}
