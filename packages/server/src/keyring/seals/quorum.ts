import type { SecretBytes } from '@sallyport/formats';
import type { Entropy } from '../entropy.ts';
import type { Roots } from '../roots.ts';
import { ceremonyRuns, needsShares, noCeremony, wrongShares } from './ceremony-faults.ts';
import { createCollector } from './collector.ts';
import type { Holders } from './holders.ts';

export interface QuorumStatus {
  readonly started: boolean;
  /** Names the ceremony while there is one. */
  readonly nonce: string;
  readonly progress: number;
  /** How many shares it takes. */
  readonly required: number;
}

/**
 * One ceremony at a time in which a threshold of holders agrees to something, for example to a new root token. The
 * shares are those of the seal, or the recovery shares where a machine opens it. In memory of this process only.
 */
export interface Quorum {
  status(): Promise<QuorumStatus>;
  start(): Promise<QuorumStatus>;
  /** True once, when this share completed the proof; the ceremony is over then. Throws `keyring.shares_wrong`. */
  add(share: SecretBytes, nonce: string): Promise<boolean>;
  cancel(): void;
}

export function createQuorum(entropy: Entropy, roots: Roots, holders: Holders): Quorum {
  const collector = createCollector(entropy);
  let started = false;

  async function required(): Promise<number> {
    return (await holders.splitNow(await roots.find()))?.threshold ?? 0;
  }

  async function status(): Promise<QuorumStatus> {
    return {
      started,
      nonce: started ? collector.nonce : '',
      progress: collector.progress,
      required: await required(),
    };
  }

  return {
    status,
    async start() {
      if (started) throw ceremonyRuns();
      // Without anybody who holds a share, nobody could agree: that is no permission.
      if ((await required()) === 0) throw needsShares();
      collector.reset();
      started = true;
      return status();
    },
    async add(share, nonce) {
      const needed = await required();
      if (!started || needed === 0) {
        throw noCeremony('a ceremony');
      }
      collector.add(share, nonce);
      if (collector.progress < needed) return false;
      const shares = collector.take();
      started = false;
      const proven = await holders.prove(shares);
      for (const each of shares) each.wipe();
      if (!proven) throw wrongShares();
      return true;
    },
    cancel() {
      collector.reset();
      started = false;
    },
  };
}
