import { isFault } from '@sallyport/formats';
import type { Db, Log, Tx } from '#platform';
import { nonceSizeBytes, unwrapKey, wrapKey } from './aead.ts';
import { dekData } from './binding.ts';
import type { Entropy } from './entropy.ts';
import type { Keks } from './keks.ts';
import type { HeldRecord, Holder, RewrappedKey } from './record.ts';
import type { KeyringStore } from './store.ts';

const batchSize = 100;

export interface Rewrap {
  addHolder(holder: Holder): void;
  /** One batch per holder and rotated scope, each in its own transaction. How many records moved. */
  some(): Promise<number>;
}

export interface RewrapDeps {
  readonly db: Db;
  readonly store: KeyringStore;
  readonly keks: Keks;
  readonly entropy: Entropy;
  readonly log: Log;
}

/**
 * Moves records to the newest KEK of their scope while everything else goes on: only the wrapped DEK changes, so a
 * reader that holds the old row still reads the same ciphertext. Killed at any point, the next call goes on.
 */
export function createRewrap(deps: RewrapDeps): Rewrap {
  const { db, store, keks, entropy, log } = deps;
  const holders = new Map<string, Holder>();
  /** Records that did not open, by holder and scope: passed over so that they cannot fill every batch. */
  const broken = new Map<string, Set<string>>();

  async function moveBatch(holder: Holder, scope: string): Promise<number> {
    const known = broken.get(`${holder.name}\n${scope}`) ?? new Set<string>();
    const { moved, failed } = await db.write(async (tx) => {
      const newest = await keks.current(tx, scope);
      const failed: string[] = [];
      let moved = 0;
      try {
        const held = await holder.listOlderThan(tx, scope, newest.version, batchSize + known.size);
        for (const item of held) {
          if (known.has(item.id)) continue;
          const wrapped = await rewrapped(tx, scope, item, newest);
          if (wrapped === undefined) failed.push(item.id);
          else {
            await holder.replace(tx, item.id, wrapped);
            keks.count(scope, newest.version);
            moved += 1;
          }
        }
      } finally {
        newest.key.fill(0);
      }
      return { moved, failed };
    });
    if (failed.length > 0) {
      for (const id of failed) known.add(id);
      broken.set(`${holder.name}\n${scope}`, known);
      log.error(
        { holder: holder.name, scope, ids: failed },
        'records do not open and stay under their old key',
      );
    }
    return moved;
  }

  async function rewrapped(
    tx: Tx,
    scope: string,
    item: HeldRecord,
    newest: { readonly version: number; readonly key: Uint8Array },
  ): Promise<RewrappedKey | undefined> {
    const dek = await openDek(tx, scope, item);
    if (dek === undefined) return undefined;
    const aad = dekData(scope, item.address, newest.version);
    const wrappedKey = wrapKey(newest.key, entropy.bytes(nonceSizeBytes), aad, dek);
    dek.fill(0);
    return { keyVersion: newest.version, wrappedKey };
  }

  async function openDek(tx: Tx, scope: string, item: HeldRecord): Promise<Uint8Array | undefined> {
    const { keyVersion, wrappedKey } = item.record;
    try {
      const old = await keks.at(tx, scope, keyVersion);
      const dek = unwrapKey(old.key, dekData(scope, item.address, keyVersion), wrappedKey);
      old.key.fill(0);
      return dek;
    } catch (error) {
      if (isFault(error) && error.kind === 'integrity') return undefined;
      throw error;
    }
  }

  return {
    addHolder(holder) {
      holders.set(holder.name, holder);
    },
    async some() {
      const scopes = await db.read((tx) => store.listRotatedScopes(tx));
      let moved = 0;
      for (const { scope } of scopes) {
        for (const holder of holders.values()) moved += await moveBatch(holder, scope);
      }
      return moved;
    },
  };
}
