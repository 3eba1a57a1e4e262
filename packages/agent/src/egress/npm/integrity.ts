import { createHash, timingSafeEqual } from 'node:crypto';
import { type Integrity, isFault, parseIntegrity, toHex } from '@sallyport/formats';

/** Of bytes that have just been read, in lower case hex. */
export interface Digests {
  readonly sha256: string;
  readonly sha512: string;
  readonly sizeBytes: number;
}

/**
 * What bytes can be verified with, or undefined. SHA-1 is left out: a collision can be made, so bytes that match it are
 * not verified. SHA-384 is as strong but nothing writes it, so it is not worth hashing every tarball a third time.
 */
export function strongIntegrity(text: string | undefined): Integrity | undefined {
  if (text === undefined) return undefined;
  try {
    const integrity = parseIntegrity(text);
    return integrity.algorithm === 'sha512' || integrity.algorithm === 'sha256' ? integrity : undefined;
  } catch (error) {
    if (isFault(error) && error.kind === 'invalid') return undefined;
    throw error;
  }
}

export function matches(integrity: Integrity, digests: Digests): boolean {
  if (integrity.algorithm !== 'sha512' && integrity.algorithm !== 'sha256') return false;
  return timingSafeEqual(integrity.hash, Buffer.from(digests[integrity.algorithm], 'hex'));
}

export function sameIntegrity(a: Integrity, b: Integrity): boolean {
  return a.algorithm === b.algorithm && toHex(a.hash) === toHex(b.hash);
}

export interface Hasher {
  update(bytes: Uint8Array): void;
  digests(): Digests;
}

export function createHasher(): Hasher {
  const sha256 = createHash('sha256');
  const sha512 = createHash('sha512');
  let sizeBytes = 0;
  return {
    update(bytes) {
      sizeBytes += bytes.length;
      sha256.update(bytes);
      sha512.update(bytes);
    },
    digests: () => ({ sha256: sha256.digest('hex'), sha512: sha512.digest('hex'), sizeBytes }),
  };
}
