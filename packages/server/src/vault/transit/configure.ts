import { refused } from './faults.ts';
import { type Fields, readFlag, readWhole } from './fields.ts';
import type { TransitKey } from './key.ts';
import { readAutoRotate } from './lifecycle.ts';

/** A key after a change, and what its owner should know about it. */
export interface Configured {
  readonly key: TransitKey;
  readonly warnings: readonly string[];
}

/**
 * `POST keys/:name/config`. Versions count from 1; minima stay between what is available and the latest. `exportable`
 * and `allow_plaintext_backup` are only ever switched on: a request to switch them off changes nothing, and says so.
 */
export function configureKey(key: TransitKey, body: Fields): Configured {
  const warnings: string[] = [];
  let minDecryptionVersion = readWhole(body, 'min_decryption_version') ?? key.minDecryptionVersion;
  if (minDecryptionVersion === 0) {
    minDecryptionVersion = 1;
    warnings.push('versions of a key count from 1: min_decryption_version is set to 1');
  }
  const minEncryptionVersion = readWhole(body, 'min_encryption_version') ?? key.minEncryptionVersion;
  requireAtMostLatest('min_decryption_version', minDecryptionVersion, key);
  requireAtMostLatest('min_encryption_version', minEncryptionVersion, key);
  if (minEncryptionVersion > 0 && minEncryptionVersion < minDecryptionVersion) {
    throw refused(
      'min_version',
      `expected min_encryption_version ${minEncryptionVersion} to be at least min_decryption_version ${minDecryptionVersion}`,
    );
  }
  const least = Math.min(minEncryptionVersion, minDecryptionVersion);
  if (key.minAvailableVersion > least) {
    throw refused(
      'min_version',
      `expected minimum versions of at least ${key.minAvailableVersion}, the oldest still available, got ${least}`,
    );
  }
  const switchOn = (name: string, before: boolean): boolean => {
    const asked = readFlag(body, name) ?? before;
    if (before && !asked) warnings.push(`${name} cannot be switched off again: nothing was changed about it`);
    return before || asked;
  };
  const changed: TransitKey = {
    ...key,
    minDecryptionVersion,
    minEncryptionVersion,
    deletionAllowed: readFlag(body, 'deletion_allowed') ?? key.deletionAllowed,
    exportable: switchOn('exportable', key.exportable),
    allowPlaintextBackup: switchOn('allow_plaintext_backup', key.allowPlaintextBackup),
    autoRotatePeriodSeconds: readAutoRotate(body) ?? key.autoRotatePeriodSeconds,
  };
  return { key: changed, warnings };
}

/** `POST keys/:name/trim`: forgets the versions below `min_available_version`, which both minima must have left behind. */
export function trimKey(key: TransitKey, body: Fields): TransitKey {
  const asked = readWhole(body, 'min_available_version');
  if (asked === undefined || asked === 0) {
    throw refused('min_available', 'expected min_available_version from 1, got none');
  }
  if (asked < key.minAvailableVersion) {
    throw refused('min_available', 'minimum available version cannot be decremented');
  }
  if (key.minEncryptionVersion === 0) {
    throw refused('min_available', 'expected min_encryption_version to be set before trimming, got 0');
  }
  const most = Math.min(key.minEncryptionVersion, key.minDecryptionVersion);
  if (asked > most) {
    throw refused(
      'min_available',
      `expected min_available_version of at most ${most}, the smaller of both minima, got ${asked}`,
    );
  }
  const kept = Object.entries(key.versions).filter(([number]) => Number(number) >= asked);
  return { ...key, minAvailableVersion: asked, versions: Object.fromEntries(kept) };
}

function requireAtMostLatest(name: string, version: number, key: TransitKey): void {
  if (version <= key.latestVersion) return;
  throw refused(
    'min_version',
    `cannot set ${name} of ${version}, latest key version is ${key.latestVersion}`,
  );
}
