import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import { equalBytes, Fault, SecretBytes, sha256, toHex } from '@sallyport/formats';
import type { Audit, Clock, Db, Tx } from '#platform';
import { signerResource, signerState } from './audited.ts';
import { keyringClosed } from './faults.ts';
import type { Holder, SealedRecord } from './record.ts';
import type { KeyringStore, StoredSigner } from './store.ts';

type FixedName = 'evidence' | 'log' | 'rekor' | 'witness' | 'oidc' | 'tsa-root' | 'ct';
/** Keys that are rotated are numbered: the old ones are still there to be compared. */
export type SignerName =
  | FixedName
  | `ca-${'root' | 'intermediate'}-${number}`
  | `tsa-${number}`
  | `tuf-${'targets' | 'online'}-${number}`;
export type SignerAlgorithm = 'ecdsa-p256-sha256' | 'ed25519';

const algorithms: Readonly<Record<FixedName, SignerAlgorithm>> = {
  evidence: 'ecdsa-p256-sha256',
  log: 'ed25519',
  oidc: 'ecdsa-p256-sha256',
  'tsa-root': 'ecdsa-p256-sha256',
  rekor: 'ecdsa-p256-sha256',
  witness: 'ed25519',
  ct: 'ecdsa-p256-sha256',
};

function algorithmOf(name: SignerName): SignerAlgorithm {
  return Object.hasOwn(algorithms, name) ? algorithms[name as FixedName] : 'ecdsa-p256-sha256';
}

/** A private key that never leaves the keyring; signing is local and takes well under a millisecond. */
export interface Signer {
  readonly name: SignerName;
  readonly algorithm: SignerAlgorithm;
  /** Hexadecimal SHA-256 of the public key's SubjectPublicKeyInfo. */
  readonly keyId: string;
  readonly publicKeySpki: Uint8Array;
  /** Ed25519 (RFC 8032), or ECDSA with P-256 and SHA-256 in DER. Throws `keyring.closed` after the keyring closed. */
  sign(bytes: Uint8Array): Uint8Array;
  /** The same signature in JOSE form (RFC 7518 section 3.4): raw `r || s` for ECDSA. */
  signJose(bytes: Uint8Array): Uint8Array;
}

export interface Signers {
  get(name: SignerName): Promise<Signer>;
  readonly holder: Holder;
  /** Brings back the private keys of the signers that were handed out, after `close`. */
  open(): Promise<void>;
  /** Drops every private key; signers already handed out throw until `open`. */
  close(): void;
}

type Keys = Map<SignerName, KeyObject>;

interface Loaded {
  readonly signer: Signer;
  readonly key: KeyObject;
}

export interface SignersDeps {
  readonly db: Db;
  readonly store: KeyringStore;
  readonly audit: Audit;
  readonly clock: Clock;
  encrypt(tx: Tx, scope: 'system', address: string, plaintext: SecretBytes): Promise<SealedRecord>;
  decrypt(tx: Tx, scope: 'system', address: string, record: SealedRecord): Promise<SecretBytes>;
}

export function createSigners(deps: SignersDeps): Signers {
  const { db, store, audit, clock } = deps;
  const ready = new Map<SignerName, Signer>();
  /** Signers take their private key from here for each signature, so that `close` stops those already handed out. */
  const keys: Keys = new Map();
  /** Counts closings: a key that was loaded across one must not come back. */
  let closings = 0;

  async function load(tx: Tx, name: SignerName, row: StoredSigner): Promise<Loaded> {
    const pkcs8 = await deps.decrypt(tx, 'system', addressOf(name), row);
    const key = createPrivateKey({ key: Buffer.from(pkcs8.expose()), format: 'der', type: 'pkcs8' });
    pkcs8.wipe();
    const signer = signerOf(name, key, keys);
    // The public half lies in the clear: one that was swapped would make verifiers trust another key.
    if (row.algorithm !== signer.algorithm || !equalBytes(row.publicKey, signer.publicKeySpki)) {
      throw new Fault(
        'integrity',
        'keyring.signer_mismatch',
        `expected the stored public key of "${name}" to belong to its private key, got another`,
      );
    }
    return { signer, key };
  }

  async function find(name: SignerName): Promise<Loaded | undefined> {
    return db.read(async (tx) => {
      const row = await store.findSigner(tx, name);
      return row && (await load(tx, name, row));
    });
  }

  async function create(name: SignerName): Promise<Loaded> {
    const { publicKey, pkcs8 } = newKeyPair(algorithmOf(name));
    try {
      return await db.write(async (tx) => {
        await store.lock(tx, `signer/${name}`);
        const theirs = await store.findSigner(tx, name);
        if (theirs !== undefined) return load(tx, name, theirs);
        const record = await deps.encrypt(tx, 'system', addressOf(name), pkcs8);
        const createdAt = clock.now();
        const row = { name, algorithm: algorithmOf(name), publicKey, ...record };
        await store.insertSigner(tx, row, createdAt);
        await audit.record(tx, {
          type: 'keyring.signer.created',
          actor: { kind: 'system', id: 'system' },
          resource: signerResource(name),
          state: signerState(name, algorithmOf(name), keyIdOf(publicKey), createdAt),
        });
        return load(tx, name, row);
      });
    } finally {
      pkcs8.wipe();
    }
  }

  return {
    async get(name) {
      const known = ready.get(name);
      if (known !== undefined) return known;
      const before = closings;
      const { signer, key } = (await find(name)) ?? (await create(name));
      if (closings !== before) throw keyringClosed();
      ready.set(name, signer);
      keys.set(name, key);
      return signer;
    },
    holder: {
      name: 'signers',
      async listOlderThan(tx, scope, keyVersion, limit) {
        if (scope !== 'system') return [];
        const rows = await store.listSignersOlderThan(tx, keyVersion, limit);
        return rows.map((row) => ({ id: row.name, address: `signer/${row.name}`, record: row }));
      },
      replace: (tx, id, { keyVersion, wrappedKey }) => store.replaceSignerKey(tx, id, keyVersion, wrappedKey),
    },
    async open() {
      const before = closings;
      for (const name of ready.keys()) {
        const found = await find(name);
        if (closings !== before) throw keyringClosed();
        if (found !== undefined) keys.set(name, found.key);
      }
    },
    close() {
      closings += 1;
      keys.clear();
    },
  };
}

export function keyIdOf(publicKeySpki: Uint8Array): string {
  return toHex(sha256(publicKeySpki));
}

function addressOf(name: SignerName): string {
  return `signer/${name}`;
}

/** Key pairs come from OpenSSL's generator, which the operating system seeds; it takes no other source. */
function newKeyPair(algorithm: SignerAlgorithm): { publicKey: Uint8Array; pkcs8: SecretBytes } {
  const pair =
    algorithm === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = pair.privateKey.export({ format: 'der', type: 'pkcs8' });
  const pkcs8 = SecretBytes.from(der);
  der.fill(0);
  return { publicKey: spkiOf(pair.publicKey), pkcs8 };
}

function spkiOf(key: KeyObject): Uint8Array {
  return Uint8Array.from(key.export({ format: 'der', type: 'spki' }));
}

/**
 * KNOWN LIMIT: the runtime offers no way to overwrite a KeyObject; after `close` it is unreachable and unused, and its
 * memory is freed when it is collected.
 */
function signerOf(name: SignerName, privateKey: KeyObject, keys: Keys): Signer {
  const publicKeySpki = spkiOf(createPublicKey(privateKey));
  const algorithm: SignerAlgorithm =
    privateKey.asymmetricKeyType === 'ed25519' ? 'ed25519' : 'ecdsa-p256-sha256';
  const sign = (bytes: Uint8Array, dsaEncoding: 'der' | 'ieee-p1363'): Uint8Array => {
    const key = keys.get(name);
    if (key === undefined) throw keyringClosed();
    const hash = algorithm === 'ed25519' ? null : 'sha256';
    return Uint8Array.from(signBytes(hash, bytes, { key, dsaEncoding }));
  };
  return {
    name,
    algorithm,
    keyId: keyIdOf(publicKeySpki),
    publicKeySpki,
    sign: (bytes) => sign(bytes, 'der'),
    signJose: (bytes) => sign(bytes, 'ieee-p1363'),
  };
}
