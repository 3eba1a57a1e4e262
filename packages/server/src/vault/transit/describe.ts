import { createPublicKey } from 'node:crypto';
import { type Fields, readBytes } from './fields.ts';
import type { KeyVersion, TransitKey } from './key.ts';
import { canDerive, canEncrypt, canSign, factsOf, type KeyFacts } from './key-types.ts';
import { publicText } from './material.ts';
import type { KeyMaterial } from './material-cache.ts';
import { derivedPrivate } from './sign.ts';

/**
 * `data` of `GET keys/:name`, with Vault's names: no private part in it. The versions are creation times in seconds for
 * symmetric keys, and objects with `public_key` for others, which is how cosign and Terraform tell them apart. A derived
 * Ed25519 key has a public key for each `context`, and shows none without.
 */
export function describeKey(
  deps: { readonly material: KeyMaterial },
  key: TransitKey,
  query: Fields = {},
): Readonly<Record<string, unknown>> {
  const facts = factsOf(key.type);
  const context = key.derived && canSign(facts) ? readBytes(query, 'context') : undefined;
  const publicKeyOf = (number: string, version: KeyVersion): string => {
    if (!key.derived) return version.publicKey;
    if (context === undefined || context.length === 0) return '';
    return publicText(facts, createPublicKey(derivedPrivate(deps, key, Number(number), context)));
  };
  const keys = Object.entries(key.versions).map(([number, version]) => [
    number,
    facts.family === 'aead' || facts.family === 'hmac'
      ? Math.floor(Date.parse(version.createdAt) / 1000)
      : {
          creation_time: version.createdAt,
          name: publicName(key, facts),
          public_key: publicKeyOf(number, version),
        },
  ]);
  return {
    name: key.name,
    type: key.type,
    keys: Object.fromEntries(keys),
    latest_version: key.latestVersion,
    min_available_version: key.minAvailableVersion,
    min_decryption_version: key.minDecryptionVersion,
    min_encryption_version: key.minEncryptionVersion,
    derived: key.derived,
    exportable: key.exportable,
    allow_plaintext_backup: key.allowPlaintextBackup,
    deletion_allowed: key.deletionAllowed,
    auto_rotate_period: key.autoRotatePeriodSeconds,
    imported_key: key.imported,
    supports_encryption: canEncrypt(facts),
    supports_decryption: canEncrypt(facts),
    supports_signing: canSign(facts),
    supports_derivation: canDerive(facts),
    ...(key.imported ? { imported_key_allow_rotation: key.allowRotation } : {}),
    ...(key.keySizeBytes > 0 ? { key_size: key.keySizeBytes } : {}),
    ...(key.derived ? { kdf: 'hkdf_sha256', convergent_encryption: key.convergentEncryption } : {}),
    // Vault's -1: the scheme is written in the versions, and is 3 or newer in all of them.
    ...(key.convergentEncryption ? { convergent_encryption_version: -1 } : {}),
    ...(key.backup === undefined ? {} : { backup_info: key.backup }),
    ...(key.restore === undefined ? {} : { restore_info: key.restore }),
  };
}

/** `data` of `GET wrapping_key`, of a key that `wrappingKeyRequest` made. */
export function describeWrappingKey(key: TransitKey): Readonly<Record<string, unknown>> {
  return { public_key: key.versions[key.latestVersion]?.publicKey };
}

function publicName(key: TransitKey, facts: KeyFacts): string {
  return facts.family === 'ecdsa' ? facts.curve : key.type;
}
