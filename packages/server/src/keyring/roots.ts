import { Fault, SecretBytes } from '@sallyport/formats';
import type { Actor, Audit, Clock, Db, Tx } from '#platform';
import { keySizeBytes, nonceSizeBytes, unwrapKey, wrapKey } from './aead.ts';
import { rootResource, rootState } from './audited.ts';
import { kekData } from './binding.ts';
import type { Entropy } from './entropy.ts';
import { decryptFailed, keyringClosed } from './faults.ts';
import type { Seal } from './seal.ts';
import type { KeyringStore, SealedRoot } from './store.ts';

export interface Roots {
  /** Opens the root key, making it on the first start of an installation. */
  open(): Promise<void>;
  /** Wipes every root key in memory; nothing opens afterwards. */
  close(): void;
  isOpen(): boolean;
  /** The root key of that version as the transaction sees it, or `undefined` when it was replaced. */
  at(tx: Tx, version: number): Promise<SecretBytes | undefined>;
  /** The current root key, which cannot be replaced until the transaction ends. */
  hold(tx: Tx): Promise<{ readonly version: number; readonly key: SecretBytes }>;
  /** A new root key: every KEK is rewrapped and the old root forgotten, in one transaction. */
  rotate(actor: Pick<Actor, 'kind' | 'id'>): Promise<number>;
}

export interface RootsDeps {
  readonly db: Db;
  readonly store: KeyringStore;
  readonly seal: Seal;
  readonly entropy: Entropy;
  readonly audit: Audit;
  readonly clock: Clock;
}

export function createRoots(deps: RootsDeps): Roots {
  const { db, store, seal, entropy, audit, clock } = deps;
  /** Root keys in the clear, by version; several only while another process rotates. Owned and wiped here. */
  const keys = new Map<number, SecretBytes>();
  let closed = false;

  async function unsealed(row: SealedRoot): Promise<SecretBytes> {
    if (row.sealKind !== seal.kind) throw otherSeal(row.sealKind, seal.kind);
    const key = await seal.unwrap(row.sealed);
    if (key.sizeBytes !== keySizeBytes) throw decryptFailed();
    return key;
  }

  async function load(row: SealedRoot): Promise<SecretBytes> {
    const known = keys.get(row.version);
    if (known !== undefined) return known;
    const key = await unsealed(row);
    if (closed) {
      key.wipe();
      throw keyringClosed();
    }
    keys.set(row.version, key);
    return key;
  }

  /** A new key, sealed, and proven to open again before anything depends on it. */
  async function draft(): Promise<{ readonly key: SecretBytes; readonly sealed: Uint8Array }> {
    const bytes = entropy.bytes(keySizeBytes);
    const key = SecretBytes.from(bytes);
    bytes.fill(0);
    const sealed = await seal.wrap(key);
    const again = await seal.unwrap(sealed);
    if (!again.equals(key)) throw decryptFailed();
    again.wipe();
    return { key, sealed };
  }

  async function record(
    tx: Tx,
    type: string,
    version: number,
    createdAt: Date | undefined,
    actor: Pick<Actor, 'kind' | 'id'>,
  ) {
    const state = createdAt === undefined ? null : rootState(version, seal.kind, createdAt);
    await audit.record(tx, { type, actor, resource: rootResource(version), state });
  }

  async function current(tx: Tx, hold: 'share' | 'update'): Promise<SealedRoot> {
    // A rotation that committed while this statement waited for its row leaves it with none: look again.
    for (let look = 0; look < 3; look += 1) {
      const row = await store.findRoot(tx, hold);
      if (row !== undefined) return row;
    }
    throw decryptFailed();
  }

  return {
    isOpen: () => !closed && keys.size > 0,
    async open() {
      closed = false;
      const existing = await db.read((tx) => store.findRoot(tx, 'none'));
      if (existing !== undefined) {
        await load(existing);
        return;
      }
      // A crash from here to the commit leaves a seal that protects nothing yet; the next start uses it again.
      const own = await draft();
      const row = await db.write(async (tx) => {
        await store.lock(tx, 'root');
        const theirs = await store.findRoot(tx, 'share');
        if (theirs !== undefined) return theirs;
        const createdAt = clock.now();
        const made = { version: 1, sealKind: seal.kind, sealed: own.sealed };
        await store.insertRoot(tx, made, createdAt);
        await record(tx, 'keyring.root.created', 1, createdAt, { kind: 'system', id: 'system' });
        return made;
      });
      own.key.wipe();
      await load(row);
    },
    close() {
      closed = true;
      for (const key of keys.values()) key.wipe();
      keys.clear();
    },
    async at(tx, version) {
      if (closed) throw keyringClosed();
      const known = keys.get(version);
      if (known !== undefined) return known;
      // Another process rotated the root. Rare, and the seal answers from a local file: inside the transaction is fine.
      const row = await store.findRoot(tx, 'none');
      return row?.version === version ? load(row) : undefined;
    },
    async hold(tx) {
      if (closed) throw keyringClosed();
      const row = await current(tx, 'share');
      return { version: row.version, key: await load(row) };
    },
    async rotate(actor) {
      if (closed) throw keyringClosed();
      const next = await draft();
      const replace = async (tx: Tx) => {
        await store.lock(tx, 'root');
        const old = await current(tx, 'update');
        const oldKey = await load(old);
        const version = old.version + 1;
        const createdAt = clock.now();
        await store.insertRoot(tx, { version, sealKind: seal.kind, sealed: next.sealed }, createdAt);
        for (const kek of await store.listKeksNotUnder(tx, version)) {
          if (kek.rootVersion !== old.version) throw decryptFailed();
          const key = unwrapKey(oldKey.expose(), kekData(kek.scope, kek.version, old.version), kek.wrapped);
          if (key === undefined) throw decryptFailed();
          const aad = kekData(kek.scope, kek.version, version);
          const wrapped = wrapKey(next.key.expose(), entropy.bytes(nonceSizeBytes), aad, key);
          key.fill(0);
          await store.rewrapKek(tx, kek.scope, kek.version, version, wrapped);
        }
        await store.deleteRoot(tx, old.version);
        await record(tx, 'keyring.root.rotated', version, createdAt, actor);
        await record(tx, 'keyring.root.retired', old.version, undefined, actor);
        return { old: old.version, next: version };
      };
      const versions = await db.write(replace).catch((error: unknown) => {
        // Not known whether it committed; if it did, the new root is opened from its row when it is needed.
        next.key.wipe();
        throw error;
      });
      // After the commit: a rolled-back rotation leaves the old root in use.
      keys.get(versions.old)?.wipe();
      keys.delete(versions.old);
      keys.set(versions.next, next.key);
      return versions.next;
    },
  };
}

function otherSeal(stored: string, configured: string): Fault {
  return new Fault(
    'precondition',
    'keyring.seal_mismatch',
    `expected the seal "${stored}" that closed this database's root key, got the seal "${configured}"`,
    { hint: `configure the seal "${stored}" again` },
  );
}
