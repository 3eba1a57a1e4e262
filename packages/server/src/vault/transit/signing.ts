import { constants } from 'node:crypto';
import { maxSaltSize } from './emsa.ts';
import { refused } from './faults.ts';
import { type Fields, readFlag, readText } from './fields.ts';
import { type HashFacts, readHash, requireHash } from './hashes.ts';
import type { SignatureForm } from './key-jobs.ts';
import type { RsaFacts } from './key-types.ts';
import type { WireForm } from './wire.ts';

/** How a request wants its signature, the same for all items of a batch. */
export interface SigningOptions {
  /** Undefined for `none`: the input goes into PKCS #1 v1.5 as it is. */
  readonly hash: HashFacts | undefined;
  readonly prehashed: boolean;
  readonly pss: boolean;
  readonly form: SignatureForm;
  /** Signatures of JWS are base64url without padding. */
  readonly wireForm: WireForm;
  readonly salt: Salt;
}

/** `auto` is the most there is room for when signing, and any when verifying. */
type Salt = 'auto' | 'hash' | number;

const digestSizes: ReadonlySet<number> = new Set([20, 28, 32, 48, 64]);

export function readSigningOptions(body: Fields, hashInPath: string | undefined): SigningOptions {
  const prehashed = readFlag(body, 'prehashed') ?? false;
  const pss = readPss(body);
  const marshaling = readText(body, 'marshaling_algorithm') || 'asn1';
  if (marshaling !== 'asn1' && marshaling !== 'jws') {
    throw refused('marshaling', 'expected marshaling_algorithm as "asn1" or "jws"');
  }
  const hash = readHash(body, hashInPath);
  if (hash === undefined && (!prehashed || pss)) {
    throw refused(
      'hash',
      'hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15',
    );
  }
  return {
    hash,
    prehashed,
    pss,
    form: marshaling === 'jws' ? 'ieee-p1363' : 'der',
    wireForm: marshaling === 'jws' ? 'base64url' : 'base64',
    salt: readSalt(body),
  };
}

/** The hash of everything but RSA with `none`. */
export function hashOf({ hash }: SigningOptions): HashFacts {
  return hash ?? requireHash({ algorithm: 'none' }, undefined);
}

/** An ECDSA digest of a size no hash has would sign many inputs at once: only its first bits count (FIPS 186-5, 6.4). */
export function requireDigest(digest: Uint8Array): void {
  if (!digestSizes.has(digest.length)) {
    throw refused('digest', `expected a digest of 20, 28, 32, 48 or 64 bytes, got ${digest.length}`);
  }
}

export function requireDigestOf(hash: HashFacts | undefined, digest: Uint8Array, rsa: RsaFacts): void {
  if (hash !== undefined && digest.length !== hash.sizeBytes) {
    throw refused('digest', `expected a digest of ${hash.sizeBytes} bytes, got ${digest.length}`);
  }
  // RFC 8017 section 9.2 step 3: eleven bytes of padding at least.
  if (digest.length > rsa.bits / 8 - 11)
    throw refused('digest', `${digest.length} bytes are too many to sign`);
}

/** The size of the salt in bytes; undefined for `auto`. */
export function saltSize(salt: Salt, hash: HashFacts, rsa: RsaFacts): number | undefined {
  if (salt === 'auto') return undefined;
  const size = salt === 'hash' ? hash.sizeBytes : salt;
  const most = maxSaltSize(hash, rsa.bits / 8);
  if (size > most) throw refused('salt', `expected a salt_length of at most ${most}, got ${size}`);
  return size;
}

/** What node:crypto calls the padding. */
export function paddingOf({ pss }: SigningOptions): number {
  return pss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING;
}

function readPss(body: Fields): boolean {
  const algorithm = readText(body, 'signature_algorithm') || 'pss';
  if (algorithm !== 'pss' && algorithm !== 'pkcs1v15') {
    throw refused('signature_algorithm', 'expected signature_algorithm as "pss" or "pkcs1v15"');
  }
  return algorithm === 'pss';
}

/** Go's own numbers mean the words: 0 is auto and -1 is hash, and clients send them. */
function readSalt(body: Fields): Salt {
  const value = body['salt_length'] ?? 'auto';
  const text = String(value).toLowerCase();
  if (text === 'auto' || text === '0' || text === '') return 'auto';
  if (text === 'hash' || text === '-1') return 'hash';
  if (/^[0-9]{1,4}$/.test(text)) return Number(text);
  throw refused('salt', 'expected salt_length as "auto", "hash" or a number of bytes');
}
