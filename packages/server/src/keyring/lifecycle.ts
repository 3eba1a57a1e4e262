import { isFault, type SecretBytes } from '@sallyport/formats';
import type { Entropy } from './entropy.ts';
import { keyringClosed } from './faults.ts';
import { draftRoot } from './root-draft.ts';
import type { ActiveSeal, Roots } from './roots.ts';
import type { Seal } from './seal.ts';
import {
  initialised,
  needsShares,
  notInitialised,
  opensItself,
  wrongShares,
} from './seals/ceremony-faults.ts';
import { createCollector } from './seals/collector.ts';
import type { Holders } from './seals/holders.ts';
import { holdingOf, migrate, migrateFromShares } from './seals/migration.ts';
import type { Recovery } from './seals/recovery.ts';
import type { Split } from './seals/shamir.ts';
import { createShareSeal, isShareSeal } from './seals/share-seal.ts';
import type { SealedRoot } from './store.ts';

export interface KeyringStatus {
  readonly initialised: boolean;
  readonly sealed: boolean;
  /** The kind of seal that the root key is under, or that it will be under. */
  readonly seal: string;
  /** Whether people open it; otherwise `open` does. */
  readonly byShares: boolean;
  /** Of the seal where people open it, else of the recovery key; zeros where there is neither. */
  readonly shares: number;
  readonly threshold: number;
  /** Unseal shares that were brought so far, and the name of that collection while there are any. */
  readonly progress: number;
  readonly nonce: string;
  /** Counts the replacements of the root key; 0 before there is one. */
  readonly rootVersion: number;
  /** What the move from the previous seal waits for: `unseal` with the old shares, or a rekey. */
  readonly migration: 'none' | 'unseal' | 'rekey';
}

export interface InitialiseOptions {
  /** Required for a seal of shares, refused for the others. */
  readonly shares?: Split;
  /** A recovery key, for a seal that a machine opens. */
  readonly recovery?: Split;
  /**
   * Whether a root key that has never been used may be replaced: whoever lost the answer of the first `initialise`
   * has no shares, and no other way to go on. Refused as soon as anything is encrypted.
   */
  readonly replaceUnused?: boolean;
}

/** For the caller to hand out and to wipe; nobody can ask for them again. */
export interface Initialised {
  readonly shares: readonly SecretBytes[];
  readonly recoveryShares: readonly SecretBytes[];
}

export interface Lifecycle {
  status(): Promise<KeyringStatus>;
  initialise(options: InitialiseOptions): Promise<Initialised>;
  open(): Promise<void>;
  /** True when this share was the last one needed, or the keyring is open already. */
  unseal(share: SecretBytes, nonce?: string): Promise<boolean>;
  resetUnseal(): void;
  /** Forgets what was collected and the key of a seal of shares. */
  close(): void;
}

export interface LifecycleDeps {
  readonly roots: Roots;
  readonly recovery: Recovery;
  readonly holders: Holders;
  readonly entropy: Entropy;
  readonly seals: ActiveSeal;
  /** As configured: where the root key shall be, and where it may still be. */
  readonly seal: Seal;
  readonly previousSeal?: Seal | undefined;
}

const system = { kind: 'system', id: 'system' } as const;

/** From "not initialised" over "sealed" to "open", and back to "sealed". */
export function createLifecycle(deps: LifecycleDeps): Lifecycle {
  const { roots, recovery, holders, entropy, seals, seal, previousSeal } = deps;
  const collector = createCollector(entropy);
  const shareSeals = [seal, previousSeal].filter(isShareSeal);
  /** Counts closings: who seals the keyring while it opens wins. */
  let closings = 0;

  function close(): void {
    closings += 1;
    collector.reset();
    for (const one of shareSeals) one.wipe();
  }

  /** One at a time: two that open at once would wipe each other's key. */
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  }

  /** Runs what opens the root, and takes it back when the keyring was sealed meanwhile or it failed. */
  function opening(work: () => Promise<void>): Promise<void> {
    const before = closings;
    return inTurn(async () => {
      if (roots.isOpen()) return;
      try {
        await work();
        if (closings !== before) throw keyringClosed();
        collector.reset();
      } catch (error) {
        roots.close();
        for (const one of shareSeals) one.wipe();
        throw error;
      }
    });
  }

  function holding(row: SealedRoot | undefined): ReturnType<typeof holdingOf>['kind'] {
    return row === undefined ? 'current' : holdingOf(row, seal, previousSeal).kind;
  }

  async function open(): Promise<void> {
    const row = await roots.find();
    const where = holding(row);
    if (where === 'move-with-shares' || (where === 'current' && isShareSeal(seal))) throw needsShares();
    if (where === 'rekey' && previousSeal !== undefined) seals.active = previousSeal;
    else seals.active = seal;
    if (where === 'move' && row !== undefined && previousSeal !== undefined) {
      await migrate(roots, row, previousSeal, seal);
    }
    try {
      await roots.open();
    } catch (error) {
      // The same kind of seal with another key, where the sealed bytes do not name the key: the previous one may open it.
      const mayMove = row !== undefined && previousSeal?.kind === row.sealKind && where === 'current';
      if (!mayMove || !isFault(error) || isShareSeal(previousSeal)) throw error;
      await migrate(roots, row, previousSeal, seal);
      await roots.open();
    }
  }

  async function openWith(row: SealedRoot, shares: readonly SecretBytes[]): Promise<void> {
    const own = holding(row) === 'move-with-shares' ? previousSeal : seal;
    if (!isShareSeal(own)) throw opensItself();
    const key = own.recover(row.sealed, shares);
    if (key === undefined) throw wrongShares();
    if (own === previousSeal) {
      await migrateFromShares(roots, row, own, key, seal, recovery);
      seals.active = seal;
    } else own.use(key);
    await roots.open();
  }

  async function initialise(options: InitialiseOptions): Promise<Initialised> {
    const { shares: wanted, recovery: wantedRecovery, replaceUnused = false } = options;
    const byShares = isShareSeal(seal);
    if (byShares !== (wanted !== undefined)) throw byShares ? needsShares() : opensItself();
    if (byShares && wantedRecovery !== undefined) throw needsShares();
    // A recovery key is a key of shares that seals nothing.
    const recoveryKey = wantedRecovery && createShareSeal(entropy).draft(wantedRecovery);
    const mayReplace = replaceUnused && !roots.isOpen();
    if (!mayReplace && (await roots.find()) !== undefined) throw initialised();
    const key = byShares && wanted !== undefined ? seal.draft(wanted) : undefined;
    if (byShares && key !== undefined) seal.use(key);
    try {
      const first = await draftRoot(seal, entropy);
      const made = { shares: key?.shares() ?? [], recoveryShares: recoveryKey?.shares() ?? [] };
      const stored = await roots
        .store(first, mayReplace, async (tx, at, version) => {
          if (recoveryKey === undefined) return;
          const root = { version, key: first.key };
          await recovery.replace(tx, recoveryKey.bytes, recoveryKey.split, root, at, system);
        })
        .finally(() => first.key.wipe());
      if (!stored) throw initialised();
      if (!byShares) {
        seals.active = seal;
        await roots.open();
      }
      return made;
    } finally {
      recoveryKey?.wipe();
      // Sealed until the shares come back: that they were received is proven by the first unseal.
      if (byShares) seal.wipe();
    }
  }

  return {
    async status() {
      const row = await roots.find();
      const where = holding(row);
      const byShares = where === 'move-with-shares' || (where !== 'rekey' && isShareSeal(seal));
      const split = await holders.splitNow(row);
      const { progress } = collector;
      return {
        initialised: row !== undefined,
        sealed: !roots.isOpen(),
        seal: row?.sealKind ?? seal.kind,
        byShares,
        shares: split?.shares ?? 0,
        threshold: split?.threshold ?? 0,
        progress,
        nonce: progress === 0 ? '' : collector.nonce,
        rootVersion: row?.version ?? 0,
        migration: where === 'rekey' ? 'rekey' : where === 'move-with-shares' ? 'unseal' : 'none',
      };
    },

    initialise: (options) => inTurn(() => initialise(options)),

    open: () => opening(open),

    async unseal(share, nonce) {
      if (roots.isOpen()) {
        return true;
      }
      const row = await roots.find();
      const split = row && shareSeals[0]?.splitOf(row.sealed);
      if (row === undefined || split === undefined || row.sealKind !== shareSeals[0]?.kind) {
        throw row === undefined ? notInitialised() : opensItself();
      }
      // Another's last share may have opened it meanwhile: this one must not be left over for the next time.
      if (roots.isOpen()) return true;
      collector.add(share, nonce);
      if (collector.progress < split.threshold) return false;
      const shares = collector.take();
      try {
        await opening(() => openWith(row, shares));
      } finally {
        for (const each of shares) each.wipe();
      }
      return true;
    },

    resetUnseal: () => collector.reset(),

    close,
  };
}
