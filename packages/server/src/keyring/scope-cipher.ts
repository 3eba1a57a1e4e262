import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { Fault } from '@sallyport/formats';
import { type AadTemplate, aadTemplate, maxPackedAddressLength } from './aad-template.ts';
import { keySizeBytes, nonceSizeBytes, tagSizeBytes } from './aead.ts';
import type { Entropy } from './entropy.ts';
import { decryptFailed, keyringClosed } from './faults.ts';
import { createKeyStreams, type KeyStreams } from './key-streams.ts';
import {
  bodyAt,
  nonceAt,
  packedOverheadBytes,
  packedVersion,
  wrappedAt,
  writeHeader,
} from './packed-record.ts';

/** The largest plaintext of a packed record. */
export const maxPackedPlaintextBytes = 4 * 1024 * 1024;

/**
 * Where sealing stops whatever the cause, before 2^32 encryptions under one key (NIST SP 800-38D section 8.3).
 * Rotation comes at `maxUses`, half of that limit; this line is met only when rotating has failed for hours.
 */
export const stopUses = 3 * 2 ** 30;

/**
 * Encrypts and decrypts records of one scope without waiting: its KEKs stay in memory, outside the JavaScript heap,
 * until the keyring is sealed or closed. All verbs then throw `keyring.closed`, for good: ask the keyring for a new
 * cipher after unsealing.
 */
export interface ScopeCipher {
  readonly scope: string;
  /** The KEK version that `seal` uses. A record with a lower `keyVersionOf` is due for `rewrap`. */
  readonly newestVersion: number;
  /**
   * A packed record, which opens for this scope and address only. `address` has 1 to 2000 well-formed characters,
   * `plaintext` at most 4 MiB. Throws `keyring.address`, `keyring.too_large`, `keyring.random_failed` or
   * `keyring.kek_exhausted`.
   */
  seal(address: string, plaintext: Uint8Array): Buffer;
  /**
   * The plaintext, which the caller wipes, or `undefined` for everything that `seal` did not give for this address. A
   * record that another replica sealed under a newer KEK is such a thing until `refresh`: see `keyVersionOf`.
   */
  open(address: string, sealed: Uint8Array): Buffer | undefined;
  /** The KEK version of a packed record, 0 for bytes that are none. */
  keyVersionOf(sealed: Uint8Array): number;
  /**
   * The same record under the newest KEK; its ciphertext stays as it is and is not looked at. Throws
   * `keyring.decrypt_failed` when the record's key does not open for this address.
   */
  rewrap(address: string, sealed: Uint8Array): Buffer;
  /** Takes over KEKs that were made since, by this process or another, and rotates the KEK when it is used up. */
  refresh(): Promise<void>;
}

/** A KEK held for the hot path. */
export interface HeldKek {
  readonly version: number;
  readonly key: KeyObject;
  readonly aad: AadTemplate;
  /** Encryptions under it as far as this process knows, and those not yet handed over to be stored. */
  uses: number;
  pending: number;
}

export function heldKek(scope: string, version: number, key: Uint8Array, uses: number): HeldKek {
  const aad = aadTemplate('packed-dek', scope, version);
  return { version, key: createSecretKey(key), aad, uses, pending: 0 };
}

/** The KEKs of a cipher; whoever loads and drops them owns it. `newest` is absent once the keyring is closed. */
export interface HeldKeks {
  readonly byVersion: Map<number, HeldKek>;
  newest: HeldKek | undefined;
  readonly streams: KeyStreams;
}

export function noKeks(): HeldKeks {
  return { byVersion: new Map(), newest: undefined, streams: createKeyStreams() };
}

const gcm = 'aes-256-gcm';
const gcmOptions = { authTagLength: tagSizeBytes } as const;

/**
 * The same chain as `Keyring.encrypt`, packed. One call is one turn of the event loop, so the buffers for associated
 * data and the DEK are shared between calls.
 */
export function createScopeCipher(
  scope: string,
  keks: HeldKeks,
  entropy: Entropy,
  refresh: () => Promise<void>,
): ScopeCipher {
  const recordAad = aadTemplate('packed-record', scope);

  function newest(): HeldKek {
    if (keks.newest === undefined) throw keyringClosed();
    return keks.newest;
  }

  /** Writes header and wrapped DEK. Counted before the encryption: a use that failed half-way is one too many, not too few. */
  function wrap(packed: Buffer, kek: HeldKek, nonce: Uint8Array, address: string, dek: Uint8Array): void {
    if (kek.uses >= stopUses) throw exhausted(scope);
    kek.uses += 1;
    kek.pending += 1;
    writeHeader(packed, kek.version);
    packed.set(nonce, wrappedAt);
    const cipher = createCipheriv(gcm, kek.key, nonce, gcmOptions);
    cipher.setAAD(kek.aad.at(address));
    packed.set(cipher.update(dek), wrappedAt + nonceSizeBytes);
    cipher.final();
    packed.set(cipher.getAuthTag(), wrappedAt + nonceSizeBytes + keySizeBytes);
  }

  function unwrap(address: string, sealed: Uint8Array): Buffer | undefined {
    newest();
    const kek = keks.byVersion.get(packedVersion(sealed));
    if (kek === undefined || !isAddress(address)) return undefined;
    return decrypt(kek.key, kek.aad.at(address), sealed.subarray(wrappedAt, nonceAt));
  }

  return {
    scope,
    get newestVersion() {
      return newest().version;
    },
    seal(address, plaintext) {
      const kek = newest();
      if (!isAddress(address)) throw badAddress(address);
      if (plaintext.length > maxPackedPlaintextBytes) throw tooLarge(plaintext.length);
      // One draw, nonces first: what the entropy check remembers of it stands in the record anyway.
      const random = entropy.bytes(2 * nonceSizeBytes + keySizeBytes);
      const nonce = random.subarray(nonceSizeBytes, 2 * nonceSizeBytes);
      const dek = random.subarray(2 * nonceSizeBytes);
      try {
        const packed = Buffer.allocUnsafe(packedOverheadBytes + plaintext.length);
        wrap(packed, kek, random.subarray(0, nonceSizeBytes), address, dek);
        packed.set(nonce, nonceAt);
        const cipher = createCipheriv(gcm, dek, nonce, gcmOptions);
        cipher.setAAD(recordAad.at(address));
        packed.set(cipher.update(plaintext), bodyAt);
        cipher.final();
        packed.set(cipher.getAuthTag(), bodyAt + plaintext.length);
        return packed;
      } finally {
        random.fill(0);
      }
    },
    open(address, sealed) {
      newest();
      if (!isAddress(address) || packedVersion(sealed) === 0) return undefined;
      const known = keks.streams.open(address, sealed);
      if (known !== undefined) return known;
      const dek = unwrap(address, sealed);
      if (dek === undefined) return undefined;
      const plaintext = decrypt(dek, recordAad.at(address), sealed.subarray(nonceAt));
      if (plaintext !== undefined) keks.streams.keep(address, sealed, plaintext);
      dek.fill(0);
      return plaintext;
    },
    keyVersionOf: packedVersion,
    rewrap(address, sealed) {
      const dek = unwrap(address, sealed);
      if (dek === undefined) throw decryptFailed();
      const nonce = entropy.bytes(nonceSizeBytes);
      try {
        const packed = Buffer.from(sealed);
        wrap(packed, newest(), nonce, address, dek);
        return packed;
      } finally {
        dek.fill(0);
      }
    },
    refresh,
  };
}

/** Opens `nonce || ciphertext || tag`. */
function decrypt(key: KeyObject | Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  const end = sealed.length - tagSizeBytes;
  const decipher = createDecipheriv(gcm, key, sealed.subarray(0, nonceSizeBytes), gcmOptions);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(nonceSizeBytes, end));
  try {
    decipher.final();
    return plaintext;
  } catch {
    // GCM decrypts before it knows the tag is wrong; unauthenticated plaintext must not leave this function.
    plaintext.fill(0);
    return undefined;
  }
}

function isAddress(address: string): boolean {
  // A lone surrogate would be encoded as U+FFFD, so that two addresses had the same associated data.
  return address.length >= 1 && address.length <= maxPackedAddressLength && address.isWellFormed();
}

function badAddress(address: string): Fault {
  return new Fault(
    'invalid',
    'keyring.address',
    `expected an address of 1 to ${maxPackedAddressLength} well-formed characters, got ${address.length} characters`,
  );
}

function tooLarge(sizeBytes: number): Fault {
  return new Fault(
    'invalid',
    'keyring.too_large',
    `expected at most ${maxPackedPlaintextBytes} bytes to encrypt, got ${sizeBytes}`,
  );
}

function exhausted(scope: string): Fault {
  return new Fault(
    'unavailable',
    'keyring.kek_exhausted',
    `expected the key of "${scope}" to be rotated by now, got one that was used ${stopUses} times`,
    { hint: 'the log says why its rotation fails; nothing is encrypted with it until then' },
  );
}
