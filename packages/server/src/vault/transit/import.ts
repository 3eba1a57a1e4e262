import { createDecipheriv } from 'node:crypto';
import { refused } from './faults.ts';
import { decodeBase64, type Fields, readFlag, readText, readWhole } from './fields.ts';
import { privateMaterial, publicMaterial } from './foreign-material.ts';
import type { ChangedKey, TransitKey } from './key.ts';
import type { KeyThread } from './key-thread.ts';
import { factsOf, type KeyType } from './key-types.ts';
import {
  addVersion,
  type CreateRequest,
  type LifecycleDeps,
  newVersionId,
  readCreateRequest,
} from './lifecycle.ts';
import type { Material } from './material.ts';
import type { KeyMaterial } from './material-cache.ts';

/** Keys that are brought along: wrapped for an RSA-4096 key of this mount, or public ones in clear. */

const wrappedKeySizeBytes = 512;
/** The largest there is, RSA-4096 in PKCS#8, takes less than 3 KiB. */
const maxCiphertextLength = 16_384;
// RFC 5649 section 3.
const kwpInitial = Buffer.from('a65959a6', 'hex');
const oaepHashes: ReadonlySet<string> = new Set(['SHA1', 'SHA224', 'SHA256', 'SHA384', 'SHA512']);

export interface ImportDeps {
  readonly material: KeyMaterial;
  readonly thread: KeyThread;
}

export interface ImportRequest extends CreateRequest {
  readonly allowRotation: boolean;
}

/** What the key that unwraps imported ones is created with: `createKey` and `generateRsa` make it, once for a mount. */
export const wrappingKeyRequest: CreateRequest = readCreateRequest({ type: 'rsa-4096' });

/** Reads the body of `POST keys/:name/import`, but for the key itself. */
export function readImportRequest(body: Fields): ImportRequest {
  if ((body['convergent_encryption'] ?? false) !== false) {
    throw refused('import', 'import cannot be used on keys with convergent encryption enabled');
  }
  const request = readCreateRequest(body);
  const allowRotation = readFlag(body, 'allow_rotation') ?? false;
  if (request.autoRotatePeriodSeconds > 0 && !allowRotation) {
    throw refused('import', 'allow_rotation must be set to true if auto-rotation is enabled');
  }
  return { ...request, allowRotation };
}

/**
 * The key of a body's `ciphertext` (RSA-OAEP over an AES-256 key, and AES-KWP of RFC 5649 under that) or `public_key`.
 * A private key is tried on its public half before it is taken. Everything that does not unwrap gives one and the same
 * error: telling the two layers apart would help to forge a block for the first (Manger, CRYPTO 2001).
 */
export async function importMaterial(
  deps: ImportDeps,
  wrappingKey: TransitKey | undefined,
  type: KeyType,
  derived: boolean,
  body: Fields,
): Promise<Material> {
  const facts = factsOf(type);
  const ciphertext = readText(body, 'ciphertext') ?? '';
  const publicKey = readText(body, 'public_key') ?? '';
  if ((ciphertext === '') === (publicKey === '')) {
    throw refused('import', 'expected one of ciphertext and public_key');
  }
  if (publicKey !== '') {
    if (derived) throw refused('import', 'a derived key has no public half to import: bring the private one');
    return publicMaterial(facts, publicKey);
  }
  if (ciphertext.length > maxCiphertextLength) throw doesNotUnwrap();
  const hash = (readText(body, 'hash_function') || 'SHA256').toUpperCase();
  if (!oaepHashes.has(hash)) throw refused('hash', `expected hash_function as ${[...oaepHashes].join(', ')}`);
  const bytes = await unwrap(deps, wrappingKey, decodeBase64(ciphertext, 'ciphertext'), hash.toLowerCase());
  try {
    return privateMaterial(facts, bytes);
  } finally {
    bytes.fill(0);
  }
}

/**
 * `POST keys/:name/import_version`: `material` as a new version; or, if `version` says so or the latest version has only
 * a public key, as the private key that belongs to it.
 */
export function importVersion(
  deps: LifecycleDeps & ImportDeps,
  key: TransitKey,
  material: Material,
  body: Fields,
): ChangedKey {
  requireImportable(key);
  const asked = readWhole(body, 'version');
  const number = asked ?? key.latestVersion;
  const version = key.versions[number];
  if (version === undefined) throw refused('version', `expected a version of the key, got ${number}`);
  if (material.material !== '' && version.publicKey !== '' && version.publicKey === material.publicKey) {
    const { material: known, hmacKey } = deps.material.reveal(key, number);
    if (known === '') {
      const id = newVersionId(deps);
      const versions = { ...key.versions, [number]: { ...version, id } };
      return { key: { ...key, versions }, secrets: { [id]: { material: material.material, hmacKey } } };
    }
  }
  if (asked === undefined) return addVersion(deps, key, material);
  throw refused('import', `version ${asked} takes only the private key of its public one`);
}

/** To be asked before a request's key is unwrapped, too. */
export function requireImportable(key: TransitKey): void {
  if (key.imported && !key.convergentEncryption) return;
  throw refused('import', 'import_version can only be used with an imported key that was not rotated here');
}

async function unwrap(
  deps: ImportDeps,
  wrappingKey: TransitKey | undefined,
  ciphertext: Buffer,
  hash: string,
): Promise<Buffer> {
  const rsa = wrappingKey && deps.material.privateKey(wrappingKey, wrappingKey.latestVersion);
  if (rsa === undefined || ciphertext.length <= wrappedKeySizeBytes) throw doesNotUnwrap();
  const block = ciphertext.subarray(0, wrappedKeySizeBytes);
  const ephemeral = await deps.thread.decryptOaep(rsa, hash, block);
  if (ephemeral === undefined) throw doesNotUnwrap();
  try {
    const decipher = createDecipheriv('id-aes256-wrap-pad', ephemeral, kwpInitial);
    return Buffer.concat([decipher.update(ciphertext.subarray(wrappedKeySizeBytes)), decipher.final()]);
  } catch {
    throw doesNotUnwrap();
  } finally {
    ephemeral.fill(0);
  }
}

function doesNotUnwrap() {
  return refused(
    'import',
    'expected a key wrapped with this wrapping_key (RSA-OAEP, AES-KWP), got other bytes',
  );
}
