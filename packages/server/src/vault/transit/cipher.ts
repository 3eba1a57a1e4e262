import { constants, createHmac, publicEncrypt } from 'node:crypto';
import { open, seal } from './aead.ts';
import type { Eventually } from './batch.ts';
import { deriveBytes, readContext } from './derive.ts';
import { refused } from './faults.ts';
import { decodeBase64, type Fields, readText, readWhole } from './fields.ts';
import { requireOpenable, type TransitKey, versionToUse } from './key.ts';
import type { KeyThread } from './key-thread.ts';
import { type AeadFacts, factsOf, type KeyFacts } from './key-types.ts';
import type { KeyMaterial } from './material-cache.ts';
import { readWire, writeWire } from './wire.ts';

/** What computing with keys needs. */
export interface CipherDeps {
  readonly material: KeyMaterial;
  readonly thread: KeyThread;
  /** Fresh nonces of 12 bytes. */
  nonce(): Uint8Array;
}

export interface Sealed {
  readonly ciphertext: string;
  readonly keyVersion: number;
}

/**
 * Encrypts with the version and context that `fields` name. RSA takes OAEP with SHA-256 (RFC 8017 section 7.1) and at
 * most the modulus less 66 bytes. At once for every type: RSA's public half is fast.
 */
export function encryptBytes(
  deps: CipherDeps,
  key: TransitKey,
  plaintext: Uint8Array,
  fields: Fields,
): Sealed {
  const facts = factsOf(key.type);
  const keyVersion = versionToUse(key, readWhole(fields, 'key_version') ?? 0);
  const associated = readAssociated(facts, fields);
  const context = readContext(key, fields);
  if ((readText(fields, 'nonce') ?? '') !== '') {
    throw refused('nonce', 'nonce provided when not allowed: the server makes it');
  }
  if (facts.family === 'rsa') {
    const sealed = encryptOaep(deps, key, keyVersion, plaintext, facts.bits);
    return { ciphertext: writeWire(keyVersion, sealed), keyVersion };
  }
  const aead = requireAead(key, facts);
  const secret = deps.material.secret(key, keyVersion);
  let sealed: Buffer;
  if (context === undefined) {
    deps.material.countUse(key, keyVersion);
    sealed = seal(aead, secret, deps.nonce(), plaintext, associated);
  } else if (key.convergentEncryption) {
    const bytes = deriveBytes(secret, context, aead.keySizeBytes + 64);
    const nonce = convergentNonce(bytes.subarray(aead.keySizeBytes), plaintext, associated);
    sealed = seal(aead, bytes.subarray(0, aead.keySizeBytes), nonce, plaintext, associated);
    bytes.fill(0);
  } else {
    const bytes = deriveBytes(secret, context, aead.keySizeBytes);
    sealed = seal(aead, bytes, deps.nonce(), plaintext, associated);
    bytes.fill(0);
  }
  return { ciphertext: writeWire(keyVersion, sealed), keyVersion };
}

/** The plaintext, which the caller overwrites. RSA is decrypted in another thread, everything else at once. */
export function decryptText(
  deps: CipherDeps,
  key: TransitKey,
  ciphertext: string,
  fields: Fields,
): Eventually<Buffer> {
  const facts = factsOf(key.type);
  const associated = readAssociated(facts, fields);
  const context = readContext(key, fields);
  const { version, bytes: sealed } = readWire(ciphertext, 'ciphertext');
  requireOpenable(key, version);
  if (facts.family === 'rsa') {
    const privateKey = deps.material.privateKey(key, version);
    if (privateKey === undefined) {
      throw refused('no_private_key', `expected version ${version} to have a private key, got a public one`);
    }
    if (sealed.length !== facts.bits / 8) throw doesNotOpen();
    return deps.thread.decryptOaep(privateKey, 'sha256', sealed).then((opened) => {
      if (opened === undefined) throw doesNotOpen();
      return opened;
    });
  }
  const aead = requireAead(key, facts);
  const secret = deps.material.secret(key, version);
  const derived = context && deriveBytes(secret, context, aead.keySizeBytes);
  const opened = open(aead, derived ?? secret, sealed, associated);
  derived?.fill(0);
  if (opened === undefined) throw doesNotOpen();
  return opened;
}

/**
 * Version 3 of Vault's convergent scheme: the nonce is the beginning of HMAC-SHA256 over the plaintext, under the 32
 * bytes derived after the encryption key. With associated data a second HMAC key is used, over both: two values of
 * associated data for one plaintext would otherwise share a nonce, and two GCM tags with one nonce give away the
 * authentication key (NIST SP 800-38D appendix A).
 */
function convergentNonce(
  keys: Uint8Array,
  plaintext: Uint8Array,
  associated: Uint8Array | undefined,
): Uint8Array {
  if (associated === undefined) {
    return createHmac('sha256', keys.subarray(0, 32)).update(plaintext).digest().subarray(0, 12);
  }
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(associated.length));
  const mac = createHmac('sha256', keys.subarray(32)).update(size).update(associated).update(plaintext);
  return mac.digest().subarray(0, 12);
}

function encryptOaep(
  deps: CipherDeps,
  key: TransitKey,
  version: number,
  plaintext: Uint8Array,
  bits: number,
): Buffer {
  const most = bits / 8 - 66;
  if (plaintext.length > most) {
    throw refused('plaintext', `expected at most ${most} bytes for ${key.type}, got ${plaintext.length}`);
  }
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt(
    { key: deps.material.publicKey(key, version), padding, oaepHash: 'sha256' },
    plaintext,
  );
}

function readAssociated(facts: KeyFacts, fields: Fields): Uint8Array | undefined {
  const text = readText(fields, 'associated_data') ?? '';
  if (text === '') return undefined;
  if (facts.family !== 'aead') {
    throw refused('associated_data', `associated_data has no meaning for keys of family ${facts.family}`);
  }
  return decodeBase64(text, 'associated_data');
}

function requireAead(key: TransitKey, facts: KeyFacts): AeadFacts {
  if (facts.family === 'aead') return facts;
  throw refused('unsupported', `encryption is not supported for keys of type ${key.type}`);
}

/** One answer for every reason: which check failed helps only who forges ciphertexts. */
function doesNotOpen() {
  return refused(
    'ciphertext',
    'invalid ciphertext: it was not made with this key, version, context and data',
  );
}
