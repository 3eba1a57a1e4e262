import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { brokenKey } from './faults.ts';
import { type KeyVersion, type TransitKey, type VersionSecret, versionOf } from './key.ts';
import { factsOf } from './key-types.ts';
import { ed25519Private, ed25519Public } from './material.ts';

/** A version ready to compute with: parsing a key costs more than using it. */
interface Prepared {
  /** The raw key (aead, hmac), and what HKDF derives from (aead, ed25519). */
  readonly secret: KeyObject | undefined;
  readonly privateKey: KeyObject | undefined;
  readonly publicKey: KeyObject | undefined;
  readonly hmacKey: KeyObject;
}

/** Gives the secret part of a version from where it is stored; called only for what is not cached. */
export type LoadSecret = (version: KeyVersion) => VersionSecret | undefined;

/** The material of keys, as an operation asks for it. Throws `vault.transit_broken_key` when it is not there. */
export interface KeyMaterial {
  /** The raw symmetric key, or what a derived key comes from. */
  secret(key: TransitKey, version: number): KeyObject;
  /** Undefined when only the public half was imported. */
  privateKey(key: TransitKey, version: number): KeyObject | undefined;
  publicKey(key: TransitKey, version: number): KeyObject;
  hmacKey(key: TransitKey, version: number): KeyObject;
  /** The stored secret itself, for exports and backups only. */
  reveal(key: TransitKey, version: number): VersionSecret;
  /** Counts an encryption with a random nonce. */
  countUse(key: TransitKey, version: number): void;
}

/**
 * Keys as the runtime holds them, outside of the records. Filled as they are used, and bounded: the version that was
 * put in first leaves first. `wipe` is for the moment the server is sealed.
 *
 * KNOWN LIMIT: the runtime has no way to overwrite a KeyObject; after `wipe` it is unreachable, and its memory is freed
 * when it is collected.
 */
export interface MaterialCache {
  /** The cache over one place where secrets are stored. */
  over(load: LoadSecret): KeyMaterial;
  /** What was counted of a version since the last `takeUses`, which is the caller's to add to the record. */
  pendingUses(version: KeyVersion): number;
  takeUses(version: KeyVersion): number;
  wipe(): void;
}

export function createMaterialCache(maxVersions = 10_000): MaterialCache {
  const ready = new Map<string, Prepared>();
  // Apart, because counts must outlive the version's place in `ready`; one number for each version in use.
  const uses = new Map<string, number>();

  function find(key: TransitKey, number: number, load: LoadSecret): Prepared {
    const version = versionOf(key, number);
    const known = ready.get(version.id);
    if (known !== undefined) return known;
    const prepared = prepare(key, version, reveal(key, version, load));
    ready.set(version.id, prepared);
    // A Map iterates in the order of insertion: the first is the oldest.
    if (ready.size > maxVersions) for (const oldest of ready.keys().take(1)) ready.delete(oldest);
    return prepared;
  }

  return {
    over: (load) => ({
      secret: (key, version) => present(find(key, version, load).secret, key, 'a symmetric key'),
      privateKey: (key, version) => find(key, version, load).privateKey,
      publicKey: (key, version) => present(find(key, version, load).publicKey, key, 'a public key'),
      hmacKey: (key, version) => find(key, version, load).hmacKey,
      reveal: (key, version) => reveal(key, versionOf(key, version), load),
      countUse(key, version) {
        const { id } = versionOf(key, version);
        uses.set(id, (uses.get(id) ?? 0) + 1);
      },
    }),
    pendingUses: ({ id }) => uses.get(id) ?? 0,
    takeUses({ id }) {
      const count = uses.get(id) ?? 0;
      uses.delete(id);
      return count;
    },
    wipe() {
      ready.clear();
      uses.clear();
    },
  };
}

function reveal(key: TransitKey, version: KeyVersion, load: LoadSecret): VersionSecret {
  const secret = load(version);
  if (secret !== undefined) return secret;
  throw brokenKey(`expected the secret part of a version of key "${key.name}", got none`);
}

function prepare(key: TransitKey, version: KeyVersion, from: VersionSecret): Prepared {
  const { family } = factsOf(key.type);
  const hmacKey = secretOf(from.hmacKey);
  const none = { hmacKey, secret: undefined, privateKey: undefined, publicKey: undefined };
  try {
    if (family === 'aead' || family === 'hmac') return { ...none, secret: secretOf(from.material) };
    const material = Buffer.from(from.material, 'base64');
    try {
      if (family === 'ed25519') {
        const publicKey = ed25519Public(Buffer.from(version.publicKey, 'base64'));
        if (material.length === 0) return { ...none, publicKey };
        const secret = createSecretKey(material);
        return { ...none, publicKey, secret, privateKey: ed25519Private(material.subarray(0, 32)) };
      }
      const publicKey = createPublicKey(version.publicKey);
      if (material.length === 0) return { ...none, publicKey };
      return {
        ...none,
        publicKey,
        privateKey: createPrivateKey({ key: material, format: 'der', type: 'pkcs8' }),
      };
    } finally {
      material.fill(0);
    }
  } catch {
    // No cause: what a parser says about a private key may quote it.
    throw brokenKey(
      `expected the stored material of key "${key.name}" to be of type ${key.type}, got other bytes`,
    );
  }
}

function secretOf(base64: string): KeyObject {
  const bytes = Buffer.from(base64, 'base64');
  try {
    return createSecretKey(bytes);
  } finally {
    bytes.fill(0);
  }
}

function present(found: KeyObject | undefined, key: TransitKey, what: string): KeyObject {
  if (found === undefined) throw brokenKey(`expected key "${key.name}" to have ${what}, got none`);
  return found;
}
