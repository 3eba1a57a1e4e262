import { sha256 } from '../crypto/sha256.ts';
import { Fault } from '../fault.ts';
import { fromHex, toHex } from './encodings.ts';

declare const digestBrand: unique symbol;

/** A SHA-256 digest in OCI form, `sha256:` and 64 lower-case hexadecimal digits: the identity of everything. */
export type Digest = string & { readonly [digestBrand]: true };

/** The digest of `bytes`. */
export function digestOf(bytes: Uint8Array): Digest {
  return digestFromHash(sha256(bytes));
}

/** Reads a digest; other algorithms, upper case and any other text are refused. */
export function parseDigest(text: string): Digest {
  if (!/^sha256:[0-9a-f]{64}$/.test(text)) {
    throw new Fault(
      'invalid',
      'formats.digest',
      `expected "sha256:" and 64 lower-case hexadecimal digits, got ${JSON.stringify(text.slice(0, 80))}`,
    );
  }
  // The pattern is what the brand promises.
  return text as Digest;
}

/** A raw 32-byte SHA-256 hash in OCI form. */
export function digestFromHash(hash: Uint8Array): Digest {
  return parseDigest(`sha256:${toHex(hash)}`);
}

/** The 64 hexadecimal digits, as in-toto subjects and blob paths spell them. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** The raw 32 bytes. */
export function digestHash(digest: Digest): Uint8Array {
  return fromHex(digestHex(digest));
}
