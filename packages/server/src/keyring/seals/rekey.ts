import type { SecretBytes } from '@sallyport/formats';
import type { Actor, Clock, Db, Tx } from '#platform';
import type { Entropy } from '../entropy.ts';
import { decryptFailed, keyringClosed } from '../faults.ts';
import type { ActiveSeal, Roots } from '../roots.ts';
import type { Seal } from '../seal.ts';
import { ceremonyRuns, noCeremony, notInitialised, opensItself, wrongShares } from './ceremony-faults.ts';
import { type Collector, createCollector } from './collector.ts';
import type { Holders } from './holders.ts';
import type { Recovery } from './recovery.ts';
import { combine, type Split } from './shamir.ts';
import { createShareSeal, isShareSeal, type ShareKey } from './share-seal.ts';

export interface RekeyOptions extends Split {
  /** New shares of the seal, or of the recovery key. */
  readonly target: 'seal' | 'recovery';
  /**
   * Whether a threshold of the new shares must come back before the old ones die. Without it, shares that never
   * reached anybody would be the only ones.
   */
  readonly verify: boolean;
}

export interface RekeyStatus {
  readonly started: boolean;
  readonly target: 'seal' | 'recovery';
  /** The new split; zeros while nothing is in progress. */
  readonly shares: number;
  readonly threshold: number;
  readonly verify: boolean;
  /** `prove` collects old shares, `verify` new ones. */
  readonly stage: 'prove' | 'verify';
  readonly nonce: string;
  readonly progress: number;
  readonly required: number;
}

export interface RekeyStep {
  readonly status: RekeyStatus;
  /** The new shares, in the answer to the last proof only; for the caller to hand out and to wipe. */
  readonly shares?: readonly SecretBytes[];
  /** Whether the old shares are dead and the new ones in force. */
  readonly complete: boolean;
}

/**
 * New shares in place of old ones, and the way of a root key from a machine's seal to shares. One at a time, in memory
 * of this process only: killed before its one transaction, the old shares are in force; afterwards the new ones are.
 */
export interface Rekey {
  status(): RekeyStatus;
  /** Where nobody holds shares yet there is nothing to prove, and the new shares are in the answer. */
  start(options: RekeyOptions, actor: Pick<Actor, 'kind' | 'id'>): Promise<RekeyStep>;
  /** An old share. */
  prove(share: SecretBytes, nonce: string): Promise<RekeyStep>;
  /** A new share, brought back. */
  verify(share: SecretBytes, nonce: string): Promise<RekeyStep>;
  /** Forgets the new shares that came back and goes on under a new nonce; the new shares stay. */
  restartVerification(): RekeyStatus;
  cancel(): void;
}

export interface RekeyDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly roots: Roots;
  readonly recovery: Recovery;
  readonly holders: Holders;
  readonly entropy: Entropy;
  readonly seals: ActiveSeal;
  readonly seal: Seal;
}

interface Ceremony {
  readonly options: RekeyOptions;
  readonly actor: Pick<Actor, 'kind' | 'id'>;
  readonly required: number;
  readonly collector: Collector;
  /** Present once the old shares are proven. */
  next?: ShareKey;
}

const nothing: RekeyStatus = {
  started: false,
  target: 'seal',
  shares: 0,
  threshold: 0,
  verify: false,
  stage: 'prove',
  nonce: '',
  progress: 0,
  required: 0,
};

export function createRekey(deps: RekeyDeps): Rekey {
  const { db, clock, roots, recovery, holders, entropy, seals, seal } = deps;
  let running: Ceremony | undefined;

  function statusOf({ options, required, collector, next }: Ceremony): RekeyStatus {
    return {
      started: true,
      target: options.target,
      shares: options.shares,
      threshold: options.threshold,
      verify: options.verify,
      stage: next === undefined ? 'prove' : 'verify',
      nonce: collector.nonce,
      progress: collector.progress,
      required: next === undefined ? required : options.threshold,
    };
  }
  const status = (): RekeyStatus => (running === undefined ? nothing : statusOf(running));

  function cancel(): void {
    running?.collector.reset();
    running?.next?.wipe();
    running = undefined;
  }

  /** The old shares are proven, or there are none: the new ones are made. */
  async function makeShares(ceremony: Ceremony): Promise<RekeyStep> {
    const next = createShareSeal(entropy).draft(ceremony.options);
    const shares = next.shares();
    ceremony.next = next;
    if (ceremony.options.verify) return { status: statusOf(ceremony), shares, complete: false };
    await commit(ceremony, next);
    return { status: status(), shares, complete: true };
  }

  async function commit(ceremony: Ceremony, next: ShareKey): Promise<void> {
    const { options, actor } = ceremony;
    if (options.target === 'recovery') {
      await db.write(async (tx) => {
        const root = await roots.hold(tx);
        await recovery.replace(tx, next.bytes, options, root, clock.now(), actor);
      });
      next.wipe();
    } else await commitSeal(next, actor);
    running = undefined;
  }

  async function commitSeal(next: ShareKey, actor: Pick<Actor, 'kind' | 'id'>): Promise<void> {
    if (!isShareSeal(seal)) throw opensItself();
    const row = await roots.find();
    if (row === undefined) throw notInitialised();
    if (next.isOf(row.sealed)) {
      // An earlier attempt was committed although its answer got lost.
      takeOver(next);
      return;
    }
    // The proof was about the seal that this process opened with; another process may have replaced it since.
    if (row.sealKind !== seals.active.kind || seals.active.holds?.(row.sealed) === false)
      throw decryptFailed();
    const sealed = await db.read(async (tx) => {
      const root = await roots.at(tx, row.version);
      if (root === undefined) throw decryptFailed();
      const wrapped = next.wrap(root);
      const again = next.unwrap(wrapped);
      if (again === undefined || !again.equals(root)) throw decryptFailed();
      again.wipe();
      return wrapped;
    });
    // Moving to shares, the recovery key has done its work: the holders of the seal's shares take its place.
    const more = (tx: Tx): Promise<void> => recovery.remove(tx, actor);
    await roots.reseal(row, { sealKind: seal.kind, sealed }, actor, more);
    takeOver(next);
  }

  function takeOver(next: ShareKey): void {
    // Sealed meanwhile: the new shares open it.
    if (!isShareSeal(seal) || !roots.isOpen()) {
      next.wipe();
      return;
    }
    seal.use(next);
    seals.active = seal;
  }

  async function requiredFor(target: RekeyOptions['target']): Promise<number> {
    const row = await roots.find();
    if (row === undefined) throw notInitialised();
    const byShares = isShareSeal(seals.active);
    // Shares for a seal that shall be opened by a machine, or a recovery key where shares open the seal.
    if (target === 'seal' ? !isShareSeal(seal) : byShares) throw opensItself();
    return (await holders.splitNow(row))?.threshold ?? 0;
  }

  return {
    status,
    async start(options, actor) {
      if (!roots.isOpen()) throw keyringClosed();
      if (running !== undefined) throw ceremonyRuns();
      // Refuses a split that cannot be, before anybody brings a share.
      createShareSeal(entropy).draft(options).wipe();
      const required = await requiredFor(options.target);
      if (running !== undefined) throw ceremonyRuns();
      const ceremony = { options, actor, required, collector: createCollector(entropy) };
      running = ceremony;
      if (required === 0) return makeShares(ceremony);
      return { status: statusOf(ceremony), complete: false };
    },
    async prove(share, nonce) {
      const ceremony = running;
      if (ceremony === undefined || ceremony.next !== undefined) {
        throw noCeremony('a rekey that collects old shares');
      }
      ceremony.collector.add(share, nonce);
      if (ceremony.collector.progress < ceremony.required) {
        return { status: statusOf(ceremony), complete: false };
      }
      const shares = ceremony.collector.take();
      const proven = await holders.prove(shares);
      for (const each of shares) each.wipe();
      if (!proven) throw wrongShares();
      if (running !== ceremony || ceremony.next !== undefined) throw noCeremony('this rekey');
      return makeShares(ceremony);
    },
    async verify(share, nonce) {
      const ceremony = running;
      const next = ceremony?.next;
      if (ceremony === undefined || next === undefined) {
        throw noCeremony('a rekey that waits for its new shares');
      }
      ceremony.collector.add(share, nonce);
      if (ceremony.collector.progress < ceremony.options.threshold) {
        return { status: statusOf(ceremony), complete: false };
      }
      const shares = ceremony.collector.take();
      const key = combine(shares);
      for (const each of shares) each.wipe();
      const proven = key.equals(next.bytes);
      key.wipe();
      if (!proven) throw wrongShares();
      await commit(ceremony, next);
      return { status: status(), complete: true };
    },
    restartVerification() {
      if (running?.next !== undefined) running.collector.reset();
      return status();
    },
    cancel,
  };
}
