import { brokenKey, refused } from './faults.ts';
import type { KeyType } from './key-types.ts';

/** What everybody may know about one version of a key. */
export interface KeyVersion {
  /**
   * Random, and another one whenever the secret part is: what is cached and stored under it belongs to no other
   * material, whatever was undone in between.
   */
  readonly id: string;
  /** RFC 3339, in UTC. */
  readonly createdAt: string;
  /** PEM of the SubjectPublicKeyInfo (ecdsa, rsa), base64 of the 32 bytes (ed25519), empty for symmetric keys. */
  readonly publicKey: string;
  /** Encryptions with random nonces that were counted so far; see `rotationDue`. */
  readonly uses: number;
}

/** The secret part of a version, apart from the key, so that a key may stay in memory and its secrets need not. */
export interface VersionSecret {
  /**
   * Base64, by family: the raw key (aead, hmac); the 32-byte seed and the public key (ed25519, as RFC 8032 section 5.1.5
   * and Go spell it); PKCS#8 in DER (ecdsa, rsa). Empty when only the public half was imported.
   */
  readonly material: string;
  /** Base64 of 32 bytes for the hmac endpoint; of the key itself for type hmac. */
  readonly hmacKey: string;
}

/** A key after a change, and the secrets that came with it, by the id of their version: both are to be stored. */
export interface ChangedKey {
  readonly key: TransitKey;
  readonly secrets: Readonly<Record<string, VersionSecret>>;
}

/** A named key with its versions, without a secret in it. Changed only by functions that give a new one. */
export interface TransitKey {
  readonly name: string;
  readonly type: KeyType;
  readonly derived: boolean;
  /** Version 3 of Vault's scheme, the only one that is still safe to write. */
  readonly convergentEncryption: boolean;
  /** By decimal number, 1 the first. */
  readonly versions: Readonly<Record<string, KeyVersion>>;
  readonly latestVersion: number;
  /** 0 as long as nothing was trimmed. */
  readonly minAvailableVersion: number;
  /** At least 1. */
  readonly minDecryptionVersion: number;
  /** 0 means the latest, whichever that is. */
  readonly minEncryptionVersion: number;
  readonly exportable: boolean;
  readonly allowPlaintextBackup: boolean;
  readonly deletionAllowed: boolean;
  /** 0 means never, otherwise an hour or more. */
  readonly autoRotatePeriodSeconds: number;
  /** Of type hmac only, otherwise 0. */
  readonly keySizeBytes: number;
  readonly imported: boolean;
  /** Whether an imported key may be rotated here. */
  readonly allowRotation: boolean;
  readonly backup?: { readonly time: string; readonly version: number };
  readonly restore?: { readonly time: string; readonly version: number };
}

/** The version, which the caller knows to exist. */
export function versionOf(key: TransitKey, version: number): KeyVersion {
  const found = key.versions[version];
  if (found === undefined) throw brokenKey(`expected key "${key.name}" to hold version ${version}, got none`);
  return found;
}

/** The version to encrypt or sign with: the one asked for, or the latest for 0. */
export function versionToUse(key: TransitKey, asked: number): number {
  const version = asked === 0 ? key.latestVersion : asked;
  const least = Math.max(1, key.minEncryptionVersion, key.minAvailableVersion);
  if (version > key.latestVersion || version < least) {
    throw refused(
      'version',
      `expected a key_version from ${least} to ${key.latestVersion}, or 0 for the latest, got ${asked}`,
    );
  }
  return version;
}

/** Asserts that what was made with `version` may still be decrypted or verified. */
export function requireOpenable(key: TransitKey, version: number): void {
  if (version > key.latestVersion) {
    throw refused('version', `expected version ${key.latestVersion} or older, got ${version}: too new`);
  }
  const least = Math.max(1, key.minDecryptionVersion, key.minAvailableVersion);
  if (version < least) {
    throw refused(
      'version',
      `expected version ${least} or newer, got ${version}: disallowed by policy (too old)`,
    );
  }
}
