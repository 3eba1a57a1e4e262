import { nonceSizeBytes, tagSizeBytes, wrappedKeySizeBytes } from './aead.ts';

/**
 * A sealed record as one run of bytes, for holders that keep a record whole:
 *
 *   format (1) || key version (4, big endian) || wrapped DEK (60) || nonce (12) || ciphertext || tag (16)
 *
 * The key version stands outside the encryption; it is bound by the associated data of the wrapped DEK.
 */
export const packedFormat = 1;
const versionAt = 1;
export const wrappedAt = 5;
export const nonceAt = wrappedAt + wrappedKeySizeBytes;
export const bodyAt = nonceAt + nonceSizeBytes;

/** What packing adds to a plaintext, in bytes. */
export const packedOverheadBytes = bodyAt + tagSizeBytes;

/** The KEK version of a packed record, or 0 when the bytes are none. Says nothing about whether it opens. */
export function packedVersion(sealed: Uint8Array): number {
  if (sealed.length < packedOverheadBytes || sealed[0] !== packedFormat) return 0;
  let version = 0;
  for (let at = versionAt; at < wrappedAt; at += 1) version = version * 256 + (sealed[at] ?? 0);
  return version;
}

export function writeHeader(packed: Buffer, version: number): void {
  packed[0] = packedFormat;
  packed.writeUInt32BE(version, versionAt);
}
