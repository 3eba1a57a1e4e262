import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  Fault,
  isFault,
  requireFresh,
  requireNotRevoked,
  type TrustRoot,
  type VerifiedRevocations,
  type VerifiedVerdict,
  verifyRevocations,
} from '@sallyport/formats';
import { writeDurably } from './durable.ts';

export interface RevocationKeeperDeps {
  /** The list as it came, below the agent's own directory. */
  readonly file: string;
  readonly trustRoot: () => TrustRoot;
  readonly clock: { now(): Date };
}

/** What an image must show to be judged: both come with its desired state, signed. */
export interface Shown {
  readonly verdict: VerifiedVerdict;
  readonly provenance: readonly string[];
}

/** The newest revocation list this agent ever saw, verified by itself, and kept across restarts. */
export interface RevocationKeeper {
  /** Reads the kept list. One that cannot be read is an error: forgetting it would let an older one in. */
  open(): Promise<void>;
  /** Takes a list that is not older than the kept one and has lost none of its entries; durable when it resolves. */
  take(bundle: string): Promise<void>;
  /** Changes with each list; undefined while there is none. */
  readonly sequence: () => number | undefined;
  /** What is new is only accepted under a list that speaks for the present. Throws `deploy.revocations_stale`. */
  requireFresh(): void;
  /** By the newest list, however old it is: what it withdrew stays so. Throws `deploy.revoked`. */
  requireStanding(shown: Shown): void;
}

export function createRevocationKeeper({ file, trustRoot, clock }: RevocationKeeperDeps): RevocationKeeper {
  let kept: { readonly bundle: string; readonly verified: VerifiedRevocations } | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  async function take(bundle: string): Promise<void> {
    if (bundle === kept?.bundle) return;
    const verified = verifyRevocations(bundle, trustRoot(), kept?.verified);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    // Before it is judged by, so that no crash makes the agent forget what it saw.
    await writeDurably(file, bundle);
    kept = { bundle, verified };
  }

  return {
    async open() {
      const bundle = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (bundle === undefined) return;
      try {
        kept = { bundle, verified: verifyRevocations(bundle, trustRoot()) };
      } catch (cause) {
        throw new Fault(
          'integrity',
          'deploy.revocations_damaged',
          `expected the revocation list that this agent keeps in "${file}", got one that does not verify`,
          { cause, hint: 'restore the file; without it the agent cannot tell an older list from the newest' },
        );
      }
    },
    take(bundle) {
      const result = turn.then(() => take(bundle));
      turn = result.catch(() => undefined);
      return result;
    },
    sequence: () => kept?.verified.list.sequence,
    requireFresh() {
      try {
        if (kept === undefined)
          throw new Fault('precondition', 'deploy.revocations_missing', 'there is none');
        requireFresh(kept.verified, clock.now());
      } catch (cause) {
        throw new Fault(
          'precondition',
          'deploy.revocations_stale',
          `expected a revocation list that speaks for the present: ${cause instanceof Error ? cause.message : cause}`,
          { cause, hint: 'what runs goes on; nothing new is accepted until the server sends a newer list' },
        );
      }
    },
    requireStanding({ verdict, provenance }) {
      if (kept === undefined) return;
      try {
        requireNotRevoked(kept.verified.list, verdict, provenance, trustRoot());
      } catch (cause) {
        if (!isFault(cause)) throw cause;
        throw new Fault('integrity', 'deploy.revoked', cause.message, {
          cause,
          ...(cause.hint === undefined ? {} : { hint: cause.hint }),
        });
      }
    },
  };
}
