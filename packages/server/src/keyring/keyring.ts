import { Fault, type SecretBytes } from '@sallyport/formats';
import type { Actor, Audit, AuditedTable, Clock, Db, Ids, Log, Random, Tx } from '#platform';
import { auditedTables } from './audited.ts';
import { createEntropy } from './entropy.ts';
import { keyringClosed } from './faults.ts';
import { createKeks } from './keks.ts';
import {
  createLifecycle,
  type Initialised,
  type InitialiseOptions,
  type KeyringStatus,
} from './lifecycle.ts';
import type { Holder, SealedRecord } from './record.ts';
import { createRewrap } from './rewrap.ts';
import { createRoots } from './roots.ts';
import type { ScopeCipher } from './scope-cipher.ts';
import { createScopeCiphers } from './scope-ciphers.ts';
import type { Seal } from './seal.ts';
import { createSealedRecords, requireName } from './sealed-records.ts';
import { createHolders } from './seals/holders.ts';
import { createQuorum, type Quorum } from './seals/quorum.ts';
import { createRecovery } from './seals/recovery.ts';
import { createRekey, type Rekey } from './seals/rekey.ts';
import { createShareSeal } from './seals/share-seal.ts';
import { createSigners, keyIdOf, type Signer, type SignerName } from './signers.ts';
import { keyringStore } from './store.pg.ts';

export interface Keyring {
  /** Where the keyring is between "not initialised", "sealed" and "open"; may be asked at any time. */
  status(): Promise<KeyringStatus>;
  /**
   * Makes the root key. A seal of shares stays sealed; any other is open afterwards. Throws `keyring.initialised`,
   * `keyring.shares`, `keyring.needs_shares` or `keyring.opens_itself`.
   */
  initialise(options: InitialiseOptions): Promise<Initialised>;
  /**
   * Opens the root key, where a machine opens its seal, making it and its seal on the first start, and moving it from
   * the previous seal to the configured one. Throws `keyring.needs_shares` for a seal of shares.
   */
  open(): Promise<void>;
  /**
   * Takes one share (a copy; the caller wipes its own) and opens the root key with the last one that is needed. True
   * when the keyring is open. Throws `keyring.share`, `keyring.nonce`, or `keyring.shares_wrong`, after which nothing
   * that was collected is left.
   */
  unseal(share: SecretBytes, nonce?: string): Promise<boolean>;
  /** Forgets the shares that were collected for `unseal`. */
  resetUnseal(): void;
  /**
   * Writes the use counts and wipes all keys in memory; everything that needs one throws `keyring.closed` until `open`
   * or `unseal`. Signers that were handed out work again then, ciphers do not.
   */
  seal(): Promise<void>;
  /** `seal`, and lets go of what the seal itself keeps open. */
  close(): Promise<void>;
  /** The ceremony that replaces shares; also the way from a machine's seal to shares. */
  readonly rekey: Rekey;
  /** A ceremony of its own in which a threshold of holders of shares agrees to something. */
  quorum(): Quorum;
  /**
   * Encrypts under a fresh DEK, bound to scope and address. `scope` is `env:<project>/<environment>` or `system`; its
   * KEK is made on first use, in `tx`. The record opens for the same scope and address only.
   */
  encrypt(tx: Tx, scope: string, address: string, plaintext: SecretBytes): Promise<SealedRecord>;
  /** Throws `keyring.decrypt_failed` for every record that is not exactly what `encrypt` gave for this address. */
  decrypt(tx: Tx, scope: string, address: string, record: SealedRecord): Promise<SecretBytes>;
  /**
   * Encryption and decryption of packed records of the scope without waiting, for the hot path. The same cipher each
   * time until the keyring closes. Must not be called inside a transaction: the KEK it makes is committed first.
   */
  cipher(scope: string): Promise<ScopeCipher>;
  /** A new KEK for the scope; records move to it with `rewrapSome`. */
  rotate(scope: string, actor: Pick<Actor, 'kind' | 'id'>): Promise<{ readonly version: number }>;
  /** A new KEK for every scope that has one. */
  rotateAll(actor: Pick<Actor, 'kind' | 'id'>): Promise<void>;
  /** The KEK that new records of the scope are under. Throws `keyring.no_key` for a scope that never had one. */
  keyStatus(scope: string): Promise<KeyStatus>;
  /** A new root key; all KEKs move to it in one transaction. */
  rotateRoot(actor: Pick<Actor, 'kind' | 'id'>): Promise<{ readonly version: number }>;
  addHolder(holder: Holder): void;
  /**
   * Moves a batch of records of each rotated scope, writes the use counts and refreshes the ciphers; call until 0, and
   * every minute.
   */
  rewrapSome(): Promise<number>;
  /** The signing key of that purpose, made on first use. Must not be called inside a transaction. */
  signer(name: SignerName): Promise<Signer>;
  /** For `ledger verify`. */
  audited(): readonly AuditedTable[];
}

export interface KeyStatus {
  /** The version of the KEK, from 1. */
  readonly term: number;
  /** Milliseconds since the epoch. */
  readonly installedAt: number;
  /** Encryptions under it that were counted in the database; the last minute's may be missing. */
  readonly encryptions: number;
}

export interface KeyringDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly seal: Seal;
  /** Where the root key may still be: `open`, `unseal` or a rekey moves it to `seal`. */
  readonly previousSeal?: Seal;
  readonly log: Log;
}

export function createKeyring(deps: KeyringDeps): Keyring {
  const { db, audit, clock, seal, log } = deps;
  const store = keyringStore;
  const entropy = createEntropy(deps.random);
  const recovery = createRecovery(store, entropy, audit);
  const seals = { active: seal };
  const roots = createRoots({ db, store, seals, recovery, entropy, audit, clock });
  const holders = createHolders(db, roots, recovery, createShareSeal(entropy));
  const { previousSeal } = deps;
  const lifecycle = createLifecycle({ roots, recovery, holders, entropy, seals, seal, previousSeal });
  const rekey = createRekey({ db, clock, roots, recovery, holders, entropy, seals, seal });
  const keks = createKeks({ store, roots, entropy, audit, clock });
  const ciphers = createScopeCiphers({ db, store, keks, entropy, log });
  const rewrap = createRewrap({ db, store, keks, entropy, log });

  const { encrypt, decrypt } = createSealedRecords({ keks, entropy, requireOpen });
  const signers = createSigners({ db, store, audit, clock, encrypt, decrypt });
  rewrap.addHolder(signers.holder);

  async function writeCounts(): Promise<void> {
    ciphers.handOverCounts();
    const counts = keks.takeCounts();
    if (counts.length === 0) return;
    await db.write(async (tx) => {
      for (const { scope, version, uses } of counts) await store.addUses(tx, scope, version, uses);
    });
  }

  function requireOpen(): void {
    if (!roots.isOpen()) throw keyringClosed();
  }

  /** Signers were handed out before and work again: a keyring that cannot bring them back is not open. */
  async function opened(): Promise<void> {
    try {
      await signers.open();
    } catch (error) {
      forget();
      throw error;
    }
  }

  function forget(): void {
    signers.close();
    ciphers.close();
    roots.close();
    rekey.cancel();
    lifecycle.close();
  }

  async function sealNow(): Promise<void> {
    try {
      if (roots.isOpen()) await writeCounts();
    } catch (error) {
      log.warn({ err: error }, 'the use counts of keys could not be written');
    } finally {
      forget();
    }
  }

  return {
    status: () => lifecycle.status(),
    async initialise(options) {
      const made = await lifecycle.initialise(options);
      if (roots.isOpen()) await opened();
      return made;
    },
    async open() {
      await lifecycle.open();
      await opened();
    },
    async unseal(share, nonce) {
      if (roots.isOpen()) return true;
      const open = await lifecycle.unseal(share, nonce);
      if (open) await opened();
      return open;
    },
    resetUnseal: () => lifecycle.resetUnseal(),
    seal: sealNow,
    async close() {
      await sealNow();
      await seal.close?.();
      await previousSeal?.close?.();
    },
    rekey,
    quorum: () => createQuorum(entropy, roots, holders),
    encrypt,
    decrypt,
    async cipher(scope) {
      requireOpen();
      requireName(scope, 'any');
      return ciphers.get(scope);
    },
    async rotate(scope, actor) {
      requireOpen();
      requireName(scope, 'any');
      const version = await db.write((tx) => keks.rotate(tx, scope, actor));
      if (version === undefined) throw noKey(scope);
      return { version };
    },
    async rotateAll(actor) {
      requireOpen();
      await db.write(async (tx) => {
        const scopes = new Set((await store.listKeks(tx)).map((kek) => kek.scope));
        for (const scope of scopes) await keks.rotate(tx, scope, actor);
      });
    },
    async keyStatus(scope) {
      requireOpen();
      requireName(scope, 'any');
      return await db.read(async (tx) => {
        const newest = (await store.listKeks(tx)).findLast((kek) => kek.scope === scope);
        const kek = await store.findKek(tx, scope);
        if (newest === undefined || kek === undefined) throw noKey(scope);
        return { term: kek.version, installedAt: newest.createdAt.getTime(), encryptions: kek.uses };
      });
    },
    async rotateRoot(actor) {
      return { version: await roots.rotate(actor) };
    },
    addHolder: (holder) => rewrap.addHolder(holder),
    async rewrapSome() {
      requireOpen();
      const moved = await rewrap.some();
      await writeCounts();
      await ciphers.refreshAll();
      return moved;
    },
    async signer(name) {
      requireOpen();
      return signers.get(name);
    },
    audited: () => auditedTables(store, keyIdOf),
  };
}

function noKey(scope: string): Fault {
  return new Fault('not_found', 'keyring.no_key', `expected a scope with a key, got "${scope}" without one`);
}
