import { createHash } from 'node:crypto';
import { type Digest, Fault, parseDigest, toHex } from '@sallyport/formats';

declare const sha512Brand: unique symbol;

export type Algorithm = 'sha256' | 'sha512';

/**
 * What content is named by (OCI image-spec 1.1, "Digests"): the SHA-256 that all of Sallyport goes by, or the SHA-512
 * of a client that prefers it. The same bytes pushed under both names are two contents. Evidence and deployments name
 * SHA-256 only, so what is pushed by SHA-512 can be kept and served, and not released.
 */
export type ContentDigest = Digest | (string & { readonly [sha512Brand]: true });

/** Reads a digest we can verify; any other algorithm is refused, because a digest that is taken on trust is none. */
export function checkDigest(text: string): ContentDigest {
  // The pattern is what the brand promises.
  if (/^sha512:[0-9a-f]{128}$/.test(text)) return text as ContentDigest;
  try {
    return parseDigest(text);
  } catch (cause) {
    throw new Fault(
      'invalid',
      'registry.digest_invalid',
      `expected sha256 and 64, or sha512 and 128 lower case hexadecimal digits, got "${text.slice(0, 100)}"`,
      { cause },
    );
  }
}

export function algorithmOf(digest: ContentDigest): Algorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

export function contentDigestFrom(algorithm: Algorithm, hash: Uint8Array): ContentDigest {
  return checkDigest(`${algorithm}:${toHex(hash)}`);
}

/** The digest of `bytes` by `algorithm`. */
export function contentDigestOf(algorithm: Algorithm, bytes: Uint8Array): ContentDigest {
  return contentDigestFrom(algorithm, createHash(algorithm).update(bytes).digest());
}

/** The digits behind the algorithm: 64 or 128, which tells the algorithm as well. */
export function hexOf(digest: ContentDigest): string {
  return digest.slice('sha256:'.length);
}
