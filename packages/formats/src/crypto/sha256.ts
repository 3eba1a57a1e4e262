import { createHash } from 'node:crypto';

/** SHA-256 (FIPS 180-4) of all `parts`, as if they were one. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** SHA-2 of the size that `name` says (FIPS 180-4): documents of others name their hash. */
export function sha2(name: 'sha256' | 'sha384' | 'sha512', bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(name).update(bytes).digest());
}

/**
 * The hash by which a timestamp names its certificate (RFC 2634 section 5.4 with SHA-1, RFC 5035 with SHA-2). SHA-1 is
 * good enough to choose among certificates that are verified by other means, and for nothing else.
 */
export function namingHash(name: 'sha1' | 'sha256' | 'sha384' | 'sha512', bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash(name).update(bytes).digest());
}
