import type { Actor, Audit, Clock, Tx } from '#platform';
import { keySizeBytes, nonceSizeBytes, unwrapKey, wrapKey } from './aead.ts';
import { kekResource, kekState } from './audited.ts';
import { kekData } from './binding.ts';
import type { Entropy } from './entropy.ts';
import { decryptFailed } from './faults.ts';
import type { Roots } from './roots.ts';
import type { KeyringStore, WrappedKek } from './store.ts';

/**
 * NIST SP 800-38D section 8.3: with random 96-bit nonces, at most 2^32 encryptions under one key. We rotate at half
 * of that, because the count is written in batches and a killed process forgets its last one.
 */
export const maxUses = 2 ** 31;

/** A key encryption key in the clear; whoever asked for it wipes `key`. */
export interface OpenKek {
  readonly version: number;
  readonly key: Uint8Array;
}

export interface Keks {
  /** The newest KEK of the scope, made on first use and rotated when it was used too often. */
  current(tx: Tx, scope: string): Promise<OpenKek>;
  at(tx: Tx, scope: string, version: number): Promise<OpenKek>;
  rotate(tx: Tx, scope: string, actor: Pick<Actor, 'kind' | 'id'>): Promise<number | undefined>;
  /** Remembers encryptions under the KEK. */
  count(scope: string, version: number, uses?: number): void;
  /** Hands over what `count` gathered, to be added to the table. */
  takeCounts(): ReadonlyArray<{ readonly scope: string; readonly version: number; readonly uses: number }>;
}

export interface KeksDeps {
  readonly store: KeyringStore;
  readonly roots: Roots;
  readonly entropy: Entropy;
  readonly audit: Audit;
  readonly clock: Clock;
}

const system = { kind: 'system', id: 'system' } as const;

/**
 * KEKs are read through the caller's transaction each time and never cached: a KEK made by a transaction that rolls
 * back must not be used by another one, or its records could never be opened.
 */
export function createKeks(deps: KeksDeps): Keks {
  const { store, roots, entropy, audit, clock } = deps;
  /** Encryptions since the last `takeCounts`, by scope and version. Owned by this process. */
  let counts = new Map<string, { scope: string; version: number; uses: number }>();

  async function openKek(tx: Tx, find: () => Promise<WrappedKek | undefined>): Promise<OpenKek | undefined> {
    // Twice: a root rotation may commit between reading the KEK and reading its root; the second look is past it.
    for (let look = 0; look < 2; look += 1) {
      const kek = await find();
      if (kek === undefined) return undefined;
      const root = await roots.at(tx, kek.rootVersion);
      if (root === undefined) continue;
      const key = unwrapKey(root.expose(), kekData(kek.scope, kek.version, kek.rootVersion), kek.wrapped);
      if (key === undefined) throw decryptFailed();
      return { version: kek.version, key };
    }
    throw decryptFailed();
  }

  async function make(
    tx: Tx,
    scope: string,
    version: number,
    actor: Pick<Actor, 'kind' | 'id'>,
  ): Promise<void> {
    const root = await roots.hold(tx);
    const key = entropy.bytes(keySizeBytes);
    const aad = kekData(scope, version, root.version);
    const wrapped = wrapKey(root.key.expose(), entropy.bytes(nonceSizeBytes), aad, key);
    key.fill(0);
    const createdAt = clock.now();
    await store.insertKek(tx, { scope, version, rootVersion: root.version, wrapped, uses: 0 }, createdAt);
    await audit.record(tx, {
      type: version === 1 ? 'keyring.kek.created' : 'keyring.kek.rotated',
      actor,
      resource: kekResource(scope, version),
      state: kekState(scope, version, createdAt),
    });
  }

  function countOf(scope: string, version: number): number {
    return counts.get(`${scope}\n${version}`)?.uses ?? 0;
  }

  return {
    async current(tx, scope) {
      let stored = await store.findKek(tx, scope);
      if (stored === undefined || stored.uses + countOf(scope, stored.version) >= maxUses) {
        const seen = stored?.version ?? 0;
        await store.lock(tx, `kek/${scope}`);
        // Under the lock: another transaction may have made the key while this one waited.
        stored = await store.findKek(tx, scope);
        if ((stored?.version ?? 0) === seen) await make(tx, scope, seen + 1, system);
      }
      const kek = await openKek(tx, () => store.findKek(tx, scope));
      if (kek === undefined) throw decryptFailed();
      return kek;
    },
    async at(tx, scope, version) {
      const kek = await openKek(tx, () => store.findKek(tx, scope, version));
      if (kek === undefined) throw decryptFailed();
      return kek;
    },
    async rotate(tx, scope, actor) {
      await store.lock(tx, `kek/${scope}`);
      const newest = await store.findKek(tx, scope);
      if (newest === undefined) return undefined;
      await make(tx, scope, newest.version + 1, actor);
      return newest.version + 1;
    },
    count(scope, version, uses = 1) {
      counts.set(`${scope}\n${version}`, { scope, version, uses: countOf(scope, version) + uses });
    },
    takeCounts() {
      const taken = [...counts.values()];
      counts = new Map();
      return taken;
    },
  };
}
