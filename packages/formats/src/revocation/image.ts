import { digestHex } from '../bytes/digest.ts';
import { Fault } from '../fault.ts';
import type { Revocations } from '../predicates/revocations.ts';
import { predicateTypes } from '../predicates/types.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { verifyBundle } from '../verify/bundle.ts';
import type { VerifiedVerdict } from '../verify/verdict.ts';
import { digestRevoked, revokedFault, signedByOf, signerRevoked } from './judge.ts';

/**
 * That an image may (still) run: neither its digest is withdrawn, nor everything that says who built it. `provenance`
 * are bundles that `verdict` rests on; what it did not judge counts for nothing. One builder that stands is enough: the
 * bytes are the same. Throws Fault `integrity`: `formats.revoked` with who revoked what and why, or
 * `formats.provenance_missing` when builders are revoked and nothing shows which one built this.
 */
export function requireNotRevoked(
  list: Revocations,
  verdict: VerifiedVerdict,
  provenance: readonly string[],
  trustRoot: TrustRoot,
): void {
  const { subject } = verdict;
  const ofDigest = digestRevoked(list, subject);
  if (ofDigest !== undefined) throw revokedFault(ofDigest, 'an image');
  // Without a word about signers nothing more is asked: older desired states carry no provenance.
  if (!list.entries.some((each) => 'target' in each && each.target.kind !== 'digest')) return;
  const judged = new Set((verdict.verdict.inputAttestations ?? []).map(({ digest }) => digest['sha256']));
  const built = provenance
    .map((text) =>
      verifyBundle(text, trustRoot, {
        expectSubject: subject,
        expectPredicateType: predicateTypes.provenance,
      }),
    )
    .filter(({ bundleDigest }) => judged.has(digestHex(bundleDigest)));
  const revoked = built.map((each) => signerRevoked(list, signedByOf(each)));
  if (revoked.includes(undefined)) return;
  const [first] = revoked;
  if (first !== undefined) throw revokedFault(first, 'an image of a builder');
  throw new Fault(
    'integrity',
    'formats.provenance_missing',
    `expected the provenance that the verdict about ${subject} rests on, got none`,
    { hint: 'builders are revoked and nothing says who built this: promote it again, or build it anew' },
  );
}
