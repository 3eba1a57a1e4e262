import type { Digest } from '../bytes/digest.ts';
import { readPredicate } from '../predicates/read.ts';
import type { DesiredStatement } from '../predicates/release-evidence.ts';
import { type Place, predicateTypes } from '../predicates/types.ts';
import { placeUri } from '../predicates/verdict.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { mismatch, type VerifiedBundle, verifyBundle } from './bundle.ts';
import { type VerifiedVerdict, verifyVerdict } from './verdict.ts';

export interface DesiredExpectations extends Place {
  /** Bundle of the verdict that the desired state rests on. */
  readonly verdict: string;
  /** The image that is about to run. */
  readonly subject: Digest;
  readonly revision: number;
  readonly ociRepository: string;
  /** The largest revision acted on so far: a smaller one is a replay. */
  readonly minRevision?: number;
}

export interface VerifiedDesiredState extends VerifiedBundle {
  readonly desired: DesiredStatement;
  readonly verdict: VerifiedVerdict;
}

/**
 * Verifies all an agent must know before it runs an image: a genuine desired state for this place, image and revision,
 * resting on a genuine verdict that passed for the same place and image.
 */
export function verifyDesiredState(
  bundleText: string,
  trustRoot: TrustRoot,
  expectations: DesiredExpectations,
): VerifiedDesiredState {
  const { subject, revision, ociRepository, minRevision = 1 } = expectations;
  const verified = verifyBundle(bundleText, trustRoot, {
    expectSubject: subject,
    expectPredicateType: predicateTypes.desiredState,
  });
  const desired = readPredicate('desiredState', verified.statement.predicate);
  for (const field of ['project', 'environment', 'service'] as const) {
    if (desired[field] !== expectations[field]) throw mismatch(field, expectations[field], desired[field]);
  }
  if (desired.revision !== revision) throw mismatch('revision', revision, desired.revision);
  if (desired.revision < minRevision) throw mismatch('revision not below', minRevision, desired.revision);
  if (desired.ociRepository !== ociRepository)
    throw mismatch('repository', ociRepository, desired.ociRepository);
  const verdict = verifyVerdict(expectations.verdict, trustRoot, {
    subject,
    resourceUri: placeUri(expectations),
  });
  if (verdict.bundleDigest !== desired.verdict)
    throw mismatch('verdict', desired.verdict, verdict.bundleDigest);
  return { ...verified, desired, verdict };
}
