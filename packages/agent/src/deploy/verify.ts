import type { DesiredState } from '@sallyport/contract';
import { Fault, parseDigest, type TrustRoot, verifyDesiredState } from '@sallyport/formats';
import type { Shown } from './revocations.ts';
import { readTarget, type Target } from './target.ts';

/** A desired state the agent believes, and what it asks for. */
export interface Accepted {
  readonly desired: DesiredState;
  readonly target: Target;
  /** What says that it may run and who built it; asked again whenever something is revoked. */
  readonly shown: Shown;
}

/**
 * Verifies offline, with the pinned trust root and nothing from the server's word: a genuine statement for this
 * place, image and revision, resting on a genuine verdict that passed for the same, and not older than what was seen.
 * Throws `integrity` for anything else.
 */
export function acceptDesired(
  desired: DesiredState,
  trustRoot: TrustRoot,
  highestRevision: number,
): Accepted {
  if (desired.revision < highestRevision) {
    throw new Fault(
      'integrity',
      'deploy.replayed',
      `expected revision ${highestRevision} or later of "${desired.service}", got ${desired.revision}`,
      { hint: 'to go back, promote the older release: a rollback is a new revision' },
    );
  }
  const verified = verifyDesiredState(desired.statement, trustRoot, {
    project: desired.project,
    environment: desired.environment,
    service: desired.service,
    subject: parseDigest(desired.digest),
    revision: desired.revision,
    ociRepository: desired.ociRepository,
    verdict: desired.verdict,
    minRevision: Math.max(1, highestRevision),
  });
  return {
    desired,
    target: readTarget(verified.desired.spec),
    shown: { verdict: verified.verdict, provenance: desired.provenance ?? [] },
  };
}
