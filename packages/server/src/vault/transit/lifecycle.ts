import { toHex } from '@sallyport/formats';
import type { Clock, Random } from '#platform';
import { parseDuration } from '../duration.ts';
import { notAllowed, refused } from './faults.ts';
import { type Fields, readFlag, readText, readWhole } from './fields.ts';
import { type ChangedKey, type KeyVersion, type TransitKey, versionOf } from './key.ts';
import { canDerive, factsOf, hmacKeySize, type KeyType, parseKeyType } from './key-types.ts';
import type { Material } from './material.ts';
import type { MaterialCache } from './material-cache.ts';

export interface LifecycleDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** What `POST keys/:name` asks for; it cannot be changed later, but for the flags `configureKey` sets. */
export interface CreateRequest {
  readonly type: KeyType;
  readonly derived: boolean;
  readonly convergentEncryption: boolean;
  readonly exportable: boolean;
  readonly allowPlaintextBackup: boolean;
  readonly autoRotatePeriodSeconds: number;
  readonly keySizeBytes: number;
}

/**
 * Reads the body of `POST keys/:name`. Throws `vault.transit_type`, `vault.transit_derived` (types that do not derive;
 * convergent without derived), `vault.transit_key_size` and `vault.transit_auto_rotate`.
 */
export function readCreateRequest(body: Fields): CreateRequest {
  const type = parseKeyType(readText(body, 'type') || 'aes256-gcm96');
  const facts = factsOf(type);
  const derived = readFlag(body, 'derived') ?? false;
  const convergentEncryption = readFlag(body, 'convergent_encryption') ?? false;
  if (convergentEncryption && !derived) {
    throw refused('derived', 'convergent encryption requires derivation to be enabled');
  }
  if ((derived && !canDerive(facts)) || (convergentEncryption && facts.family !== 'aead')) {
    throw refused(
      'derived',
      `key derivation and convergent encryption not supported for keys of type ${type}`,
    );
  }
  const keySizeBytes = readWhole(body, 'key_size') || 0;
  const { min, max } = hmacKeySize;
  if (keySizeBytes > 0 && (facts.family !== 'hmac' || keySizeBytes < min || keySizeBytes > max)) {
    throw refused('key_size', `expected key_size for type hmac only, from ${min} to ${max} bytes`);
  }
  return {
    type,
    derived,
    convergentEncryption,
    exportable: readFlag(body, 'exportable') ?? false,
    allowPlaintextBackup: readFlag(body, 'allow_plaintext_backup') ?? false,
    autoRotatePeriodSeconds: readAutoRotate(body) ?? 0,
    keySizeBytes: facts.family === 'hmac' ? keySizeBytes || hmacKeySize.default : 0,
  };
}

/** A key with one version of `material`. */
export function createKey(
  deps: LifecycleDeps,
  name: string,
  request: CreateRequest,
  material: Material,
  imported?: { readonly allowRotation: boolean },
): ChangedKey {
  const { version, secrets } = newVersion(deps, request.type, material);
  const key: TransitKey = {
    name,
    type: request.type,
    derived: request.derived,
    convergentEncryption: request.convergentEncryption,
    versions: { 1: version },
    latestVersion: 1,
    minAvailableVersion: 0,
    minDecryptionVersion: 1,
    minEncryptionVersion: 0,
    exportable: request.exportable,
    allowPlaintextBackup: request.allowPlaintextBackup,
    deletionAllowed: false,
    autoRotatePeriodSeconds: request.autoRotatePeriodSeconds,
    keySizeBytes: request.keySizeBytes,
    imported: imported !== undefined,
    allowRotation: imported?.allowRotation ?? true,
  };
  return { key, secrets };
}

/** Throws when the key came from outside and is not to be rotated here. To be asked before `material` is made. */
export function requireRotatable(key: TransitKey): void {
  if (!key.imported || key.allowRotation) return;
  throw notAllowed('imported', `imported key ${key.name} does not allow rotation within Vault`);
}

/** The key with a new latest version of `material`, made here; an imported key takes no imported versions after it. */
export function rotateKey(deps: LifecycleDeps, key: TransitKey, material: Material): ChangedKey {
  requireRotatable(key);
  const { key: rotated, secrets } = addVersion(deps, key, material);
  return { key: { ...rotated, imported: false }, secrets };
}

export function addVersion(deps: LifecycleDeps, key: TransitKey, material: Material): ChangedKey {
  const latestVersion = key.latestVersion + 1;
  const { version, secrets } = newVersion(deps, key.type, material);
  return { key: { ...key, versions: { ...key.versions, [latestVersion]: version }, latestVersion }, secrets };
}

export function newVersionId({ random }: LifecycleDeps): string {
  return toHex(random.bytes(16));
}

function newVersion(deps: LifecycleDeps, type: KeyType, { material, publicKey }: Material) {
  const id = newVersionId(deps);
  const version: KeyVersion = { id, createdAt: deps.clock.now().toISOString(), publicKey, uses: 0 };
  const hmacKey = type === 'hmac' ? material : Buffer.from(deps.random.bytes(32)).toString('base64');
  return { version, secrets: { [id]: { material, hmacKey } } };
}

/** A period of 0 or at least an hour, or undefined when the request has none. */
export function readAutoRotate(body: Fields): number | undefined {
  const value = body['auto_rotate_period'];
  if (value === undefined || value === null) return undefined;
  const seconds = parseDuration(value, 'auto_rotate_period');
  if (seconds === 0 || seconds >= 3600) return seconds;
  throw refused('auto_rotate', 'auto rotate period must be 0 to disable or at least an hour');
}

/**
 * NIST SP 800-38D section 8.3: at most 2^32 encryptions with random nonces under one GCM key. The margin is what may be
 * counted in memory only: each server that loses its memory loses less than `usesPerWrite`.
 */
const maxUses = 2 ** 32 - 2 ** 28;
const usesPerWrite = 2 ** 20;

/**
 * Whether the key is to get a new version now: its period is over, or its latest version encrypted close to 2^32 times.
 * Never for a key that may not be rotated here. Derived keys are not counted: each context has a key of its own.
 */
export function rotationDue(cache: MaterialCache, key: TransitKey, now: Date): boolean {
  if (key.imported && !key.allowRotation) return false;
  const latest = versionOf(key, key.latestVersion);
  if (latest.uses + cache.pendingUses(latest) >= maxUses) return true;
  if (key.autoRotatePeriodSeconds === 0) return false;
  return now.getTime() >= Date.parse(latest.createdAt) + key.autoRotatePeriodSeconds * 1000;
}

/** The key with its counted uses, when there are enough of them to be worth a write; otherwise undefined. */
export function recordUses(cache: MaterialCache, key: TransitKey): TransitKey | undefined {
  const latest = versionOf(key, key.latestVersion);
  const pending = cache.pendingUses(latest);
  if (pending < usesPerWrite) return undefined;
  cache.takeUses(latest);
  const counted = { ...latest, uses: latest.uses + pending };
  return { ...key, versions: { ...key.versions, [key.latestVersion]: counted } };
}
