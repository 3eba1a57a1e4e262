import { isFault } from '@sallyport/formats';
import type { Db, Log, Tx } from '#platform';
import type { Entropy } from './entropy.ts';
import { keyringClosed } from './faults.ts';
import { type Keks, maxUses } from './keks.ts';
import { createScopeCipher, type HeldKeks, heldKek, noKeks, type ScopeCipher } from './scope-cipher.ts';
import type { KeyringStore } from './store.ts';

export interface ScopeCiphers {
  /** The one cipher of that scope; its KEK is made on first use, in a transaction of its own. */
  get(scope: string): Promise<ScopeCipher>;
  /** Hands the use counts over to `keks`, to be stored. */
  handOverCounts(): void;
  /** Refreshes every cipher; a scope that fails is logged and leaves the others alone. */
  refreshAll(): Promise<void>;
  /** Drops every KEK; ciphers already handed out throw from then on. */
  close(): void;
}

export interface ScopeCiphersDeps {
  readonly db: Db;
  readonly store: KeyringStore;
  readonly keks: Keks;
  readonly entropy: Entropy;
  readonly log: Log;
}

interface Held {
  readonly keks: HeldKeks;
  readonly cipher: ScopeCipher;
  closed: boolean;
}

/**
 * Unlike `keks`, this keeps KEKs: only those that a committed transaction left in the table, so that no record depends
 * on a key that was rolled back.
 */
export function createScopeCiphers(deps: ScopeCiphersDeps): ScopeCiphers {
  const { db, store, keks, entropy, log } = deps;
  let held = new Map<string, Promise<Held>>();
  let ready = new Set<Held>();

  /** Loads every KEK of the scope that is not held yet, and the use count of the newest. False when there is none. */
  async function load(tx: Tx, scope: string, into: HeldKeks): Promise<boolean> {
    const newest = await store.findKek(tx, scope);
    if (newest === undefined) return false;
    for (const version of await store.listKekVersions(tx, scope)) {
      if (into.byVersion.has(version)) continue;
      try {
        const open = await keks.at(tx, scope, version);
        into.byVersion.set(version, heldKek(scope, version, open.key, 0));
        open.key.fill(0);
      } catch (error) {
        // A damaged old KEK costs its own records only; without the newest nothing can be sealed.
        if (version === newest.version || !isFault(error) || error.kind !== 'integrity') throw error;
        log.error({ scope, version }, 'a key of a scope does not open; records under it are unreadable');
      }
    }
    into.newest = into.byVersion.get(newest.version);
    // Uses of other processes come with the stored count; the own ones not stored yet come on top.
    if (into.newest !== undefined) {
      into.newest.uses = Math.max(into.newest.uses, newest.uses + into.newest.pending);
    }
    return true;
  }

  async function refresh(scope: string, own: Held): Promise<void> {
    if (own.closed) throw keyringClosed();
    const known = await takeOver(scope, own);
    if (known && (own.keks.newest?.uses ?? 0) < maxUses) return;
    handOver(scope, own.keks);
    try {
      await db.write(async (tx) => {
        (await keks.current(tx, scope)).key.fill(0);
      });
    } catch (error) {
      // A key that is used up stays good for reading, and up to `stopUses` for writing.
      if (!known) throw error;
      log.error({ err: error, scope }, 'a key that was used too often could not be rotated');
      return;
    }
    await takeOver(scope, own);
  }

  async function takeOver(scope: string, own: Held): Promise<boolean> {
    // Loaded aside and taken over at once: a transaction that is repeated or a close meanwhile leaves nothing behind.
    const next: HeldKeks = { ...own.keks, byVersion: new Map(own.keks.byVersion) };
    const found = await db.read((tx) => load(tx, scope, next));
    if (own.closed) throw keyringClosed();
    for (const [version, kek] of next.byVersion) own.keks.byVersion.set(version, kek);
    if ((next.newest?.version ?? 0) >= (own.keks.newest?.version ?? 0)) own.keks.newest = next.newest;
    return found;
  }

  async function create(scope: string): Promise<Held> {
    const keksOf = noKeks();
    const cipher = createScopeCipher(scope, keksOf, entropy, () => refresh(scope, own));
    const own: Held = { keks: keksOf, cipher, closed: false };
    ready.add(own);
    try {
      await refresh(scope, own);
      return own;
    } catch (error) {
      ready.delete(own);
      held.delete(scope);
      throw error;
    }
  }

  function handOver(scope: string, from: HeldKeks): void {
    for (const kek of from.byVersion.values()) {
      if (kek.pending > 0) keks.count(scope, kek.version, kek.pending);
      kek.pending = 0;
    }
  }

  return {
    async get(scope) {
      const known = held.get(scope) ?? create(scope);
      held.set(scope, known);
      return (await known).cipher;
    },
    handOverCounts() {
      for (const { cipher, keks: from } of ready) handOver(cipher.scope, from);
    },
    async refreshAll() {
      for (const { cipher } of ready) {
        try {
          await cipher.refresh();
        } catch (error) {
          log.error({ err: error, scope: cipher.scope }, 'the keys of a scope could not be refreshed');
        }
      }
    },
    close() {
      for (const own of ready) {
        own.closed = true;
        own.keks.byVersion.clear();
        own.keks.newest = undefined;
        own.keks.streams.wipe();
      }
      ready = new Set();
      held = new Map();
    },
  };
}
