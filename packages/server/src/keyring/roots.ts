import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Actor, Audit, Clock, Db, Tx } from '#platform';
import { keySizeBytes, nonceSizeBytes, unwrapKey, wrapKey } from './aead.ts';
import { rootResource, rootState } from './audited.ts';
import { kekData } from './binding.ts';
import type { Entropy } from './entropy.ts';
import { decryptFailed, keyringClosed } from './faults.ts';
import { draftRoot, type RootDraft } from './root-draft.ts';
import type { Seal } from './seal.ts';
import type { Recovery } from './seals/recovery.ts';
import type { KeyringStore, SealedRoot } from './store.ts';

export interface Roots {
  /** The root key as it is stored, if the installation has one. */
  find(): Promise<SealedRoot | undefined>;
  /**
   * Stores the first root key, with what belongs to it in the same transaction; false when there is one already. With
   * `replaceUnused`, one that no key is under gives way.
   */
  store(
    first: RootDraft,
    replaceUnused: boolean,
    more: (tx: Tx, createdAt: Date, version: number) => Promise<void>,
  ): Promise<boolean>;
  /**
   * The same root key under `seal`, in place of `row`, with what belongs to it in the same transaction. Throws
   * `keyring.seal_changed` when the row is no longer what it was.
   */
  reseal(
    row: SealedRoot,
    next: { readonly sealKind: string; readonly sealed: Uint8Array },
    actor: Pick<Actor, 'kind' | 'id'>,
    more?: (tx: Tx, at: Date) => Promise<void>,
  ): Promise<void>;
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
  readonly seals: ActiveSeal;
  readonly recovery: Recovery;
  readonly entropy: Entropy;
  readonly audit: Audit;
  readonly clock: Clock;
}

/** The seal that the root key is under now. A migration replaces it; the lifecycle owns it. */
export interface ActiveSeal {
  active: Seal;
}

export function createRoots(deps: RootsDeps): Roots {
  const { db, store, seals, recovery, entropy, audit, clock } = deps;
  /** Root keys in the clear, by version; several only while another process rotates. Owned and wiped here. */
  const keys = new Map<number, SecretBytes>();
  let closed = false;

  async function unsealed(row: SealedRoot): Promise<SecretBytes> {
    if (row.sealKind !== seals.active.kind) throw otherSeal(row.sealKind, seals.active.kind);
    const key = await seals.active.unwrap(row.sealed);
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

  async function record(
    tx: Tx,
    type: string,
    row: Pick<SealedRoot, 'version' | 'sealKind' | 'createdAt'>,
    actor: Pick<Actor, 'kind' | 'id'>,
  ) {
    const state = rootState(row.version, row.sealKind, row.createdAt);
    await audit.record(tx, { type, actor, resource: rootResource(row.version), state });
  }

  async function retired(tx: Tx, version: number, actor: Pick<Actor, 'kind' | 'id'>): Promise<void> {
    const resource = rootResource(version);
    await audit.record(tx, { type: 'keyring.root.retired', actor, resource, state: null });
  }

  async function current(tx: Tx, hold: 'share' | 'update'): Promise<SealedRoot> {
    // A rotation that committed while this statement waited for its row leaves it with none: look again.
    for (let look = 0; look < 3; look += 1) {
      const row = await store.findRoot(tx, hold);
      if (row !== undefined) return row;
    }
    throw decryptFailed();
  }

  /**
   * A migration or rekey, here or in another process, may have moved the root to another seal since `next` was sealed.
   * Stored all the same, it would be a root that nobody can open.
   */
  function requireSameSeal(row: SealedRoot, next: RootDraft): void {
    const { active } = seals;
    const holds = (sealed: Uint8Array): boolean => active.holds?.(sealed) ?? true;
    const kinds = row.sealKind === active.kind && next.sealKind === active.kind;
    if (!kinds || !holds(row.sealed) || !holds(next.sealed)) throw sealChanged();
  }

  async function find(): Promise<SealedRoot | undefined> {
    return db.read((tx) => store.findRoot(tx, 'none'));
  }

  async function storeFirst(
    first: RootDraft,
    replaceUnused = false,
    more?: (tx: Tx, createdAt: Date, version: number) => Promise<void>,
  ): Promise<boolean> {
    return db.write(async (tx) => {
      await store.lock(tx, 'root');
      const theirs = await store.findRoot(tx, 'update');
      const unused = replaceUnused && !roots.isOpen() && (await store.listKeks(tx)).length === 0;
      if (theirs !== undefined && !unused) return false;
      const version = (theirs?.version ?? 0) + 1;
      if (theirs !== undefined) {
        await recovery.remove(tx, system);
        await store.deleteRoot(tx, theirs.version);
        await retired(tx, theirs.version, system);
      }
      const createdAt = clock.now();
      const row = { version, sealKind: first.sealKind, sealed: first.sealed, createdAt };
      await store.insertRoot(tx, row);
      await record(tx, 'keyring.root.created', row, system);
      await more?.(tx, createdAt, version);
      return true;
    });
  }

  const roots: Roots = {
    isOpen: () => !closed && keys.size > 0,
    find,
    store: storeFirst,
    async reseal(row, next, actor, more) {
      await db.write(async (tx) => {
        await store.lock(tx, 'root');
        const now = await current(tx, 'update');
        if (now.version !== row.version || now.sealKind !== row.sealKind || !same(now.sealed, row.sealed)) {
          throw sealChanged();
        }
        await store.resealRoot(tx, row.version, next.sealKind, next.sealed);
        await record(tx, 'keyring.root.resealed', { ...row, sealKind: next.sealKind }, actor);
        await more?.(tx, clock.now());
      });
    },
    async open() {
      closed = false;
      let row = await find();
      if (row === undefined) {
        // A crash from here to the commit leaves a seal that protects nothing yet; the next start uses it again.
        const own = await draftRoot(seals.active, entropy);
        await storeFirst(own);
        own.key.wipe();
        row = await find();
      }
      if (row === undefined) throw decryptFailed();
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
      // Another process rotated the root: once per rotation the seal is asked inside a transaction, within its time limit.
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
      const next = await draftRoot(seals.active, entropy);
      const replace = async (tx: Tx) => {
        await store.lock(tx, 'root');
        const old = await current(tx, 'update');
        requireSameSeal(old, next);
        const oldKey = await load(old);
        const version = old.version + 1;
        const row = { version, sealKind: next.sealKind, sealed: next.sealed, createdAt: clock.now() };
        await store.insertRoot(tx, row);
        for (const kek of await store.listKeksNotUnder(tx, version)) {
          if (kek.rootVersion !== old.version) throw decryptFailed();
          const key = unwrapKey(oldKey.expose(), kekData(kek.scope, kek.version, old.version), kek.wrapped);
          if (key === undefined) throw decryptFailed();
          const aad = kekData(kek.scope, kek.version, version);
          const wrapped = wrapKey(next.key.expose(), entropy.bytes(nonceSizeBytes), aad, key);
          key.fill(0);
          await store.rewrapKek(tx, kek.scope, kek.version, version, wrapped);
        }
        await recovery.rewrap(tx, { version: old.version, key: oldKey }, { version, key: next.key });
        await store.deleteRoot(tx, old.version);
        await record(tx, 'keyring.root.rotated', row, actor);
        await retired(tx, old.version, actor);
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
  return roots;
}

const system = { kind: 'system', id: 'system' } as const;

function same(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

function sealChanged(): Fault {
  return new Fault(
    'conflict',
    'keyring.seal_changed',
    'expected the seal of the root key to be as it was at the start, got one that was replaced meanwhile',
    { hint: 'seal this server and open it again, then repeat' },
  );
}

function otherSeal(stored: string, configured: string): Fault {
  return new Fault(
    'precondition',
    'keyring.seal_mismatch',
    `expected the seal "${stored}" that closed this database's root key, got the seal "${configured}"`,
    { hint: `configure the seal "${stored}" again` },
  );
}
