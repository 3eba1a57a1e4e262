import type { Digest } from '../bytes/digest.ts';
import { Fault } from '../fault.ts';
import { readPredicate } from '../predicates/read.ts';
import { predicateTypes } from '../predicates/types.ts';
import type { Verdict } from '../predicates/verdict.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { mismatch, type VerifiedBundle, verifyBundle } from './bundle.ts';

export interface VerdictExpectations {
  readonly subject: Digest;
  /** `placeUri` of where the subject is about to go. */
  readonly resourceUri: string;
  /** The verifier of the trust root when absent. */
  readonly verifierId?: string;
}

export interface VerifiedVerdict extends VerifiedBundle {
  readonly verdict: Verdict;
}

/** Verifies that the gates let `subject` go to `resourceUri`: a genuine verdict, by our verifier, that says PASSED. */
export function verifyVerdict(
  bundleText: string,
  trustRoot: TrustRoot,
  { subject, resourceUri, verifierId = trustRoot.verifierId }: VerdictExpectations,
): VerifiedVerdict {
  const verified = verifyBundle(bundleText, trustRoot, {
    expectSubject: subject,
    expectPredicateType: predicateTypes.verdict,
  });
  const verdict = readPredicate('verdict', verified.statement.predicate);
  if (verdict.verifier.id !== verifierId) throw mismatch('verifier', verifierId, verdict.verifier.id);
  if (verdict.resourceUri !== resourceUri) throw mismatch('resource', resourceUri, verdict.resourceUri);
  if (verdict.verificationResult !== 'PASSED') throw notPassed(verdict);
  return { ...verified, verdict };
}

export function notPassed(verdict: Verdict): Fault {
  const refused = (verdict.sallyport_gates ?? []).filter((gate) => gate.result === 'refuse');
  return new Fault('integrity', 'formats.verdict_failed', 'expected a verdict that says PASSED, got FAILED', {
    details: { gates: refused.map((gate) => gate.name) },
  });
}
