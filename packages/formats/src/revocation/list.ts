import { utf8 } from '../bytes/bytes.ts';
import { type Digest, digestOf } from '../bytes/digest.ts';
import { Fault } from '../fault.ts';
import { canonicalJson } from '../json/canonical.ts';
import { readPredicate } from '../predicates/read.ts';
import type { Revocations } from '../predicates/revocations.ts';
import { predicateTypes } from '../predicates/types.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { mismatch, type VerifiedBundle, verifyBundle } from '../verify/bundle.ts';

export interface VerifiedRevocations extends VerifiedBundle {
  readonly list: Revocations;
}

/** What statements with the revocations of an installation are about: a name, as they are about no artifact. */
export function revocationsSubject(installation: string): { readonly name: string; readonly digest: Digest } {
  const name = `sallyport:revocations/${installation}`;
  return { name, digest: digestOf(utf8(name)) };
}

/**
 * Verifies a revocation list with nothing but the trust root and, where the reader kept one, the list seen before: a
 * genuine statement of this installation that is not older than `known` and has lost none of its entries. Says nothing
 * of its age: `requireFresh` does. Throws Fault `integrity`: `formats.revocations_rollback` for a smaller sequence or
 * another list of the same one, `formats.revocations_shortened` for missing or changed entries.
 */
export function verifyRevocations(
  bundleText: string,
  trustRoot: TrustRoot,
  known?: Pick<VerifiedRevocations, 'list'>,
): VerifiedRevocations {
  const verified = verifyBundle(bundleText, trustRoot, {
    expectSubject: revocationsSubject(trustRoot.installation).digest,
    expectPredicateType: predicateTypes.revocations,
  });
  const list = readPredicate('revocations', verified.statement.predicate);
  if (list.installation !== trustRoot.installation)
    throw mismatch('installation', trustRoot.installation, list.installation);
  if (known !== undefined) requireSuccessor(known.list, list);
  return { ...verified, list };
}

/** The server's word is not enough: whoever holds its keys must not take back what was withdrawn in silence. */
function requireSuccessor(known: Revocations, next: Revocations): void {
  const sameButOther = next.sequence === known.sequence && canonicalJson(next) !== canonicalJson(known);
  if (next.sequence < known.sequence || sameButOther) {
    throw new Fault(
      'integrity',
      'formats.revocations_rollback',
      `expected revocation list ${known.sequence} or a later one, got ${sameButOther ? 'another list of that number' : next.sequence}`,
      {
        hint: 'a list that was seen is never followed by an older one: this is a replay, or the server was set back',
      },
    );
  }
  const kept = next.entries.slice(0, known.entries.length);
  if (canonicalJson(kept) !== canonicalJson(known.entries)) {
    throw new Fault(
      'integrity',
      'formats.revocations_shortened',
      `expected revocation list ${next.sequence} to keep all ${known.entries.length} entries of list ${known.sequence}, got one that does not`,
      { hint: 'entries are only ever added; a revocation ends by a later entry that restores it' },
    );
  }
}

/** How far the clock of a reader may be behind that of the server. */
const maxSkewMs = 5 * 60 * 1000;

/**
 * That the list still speaks for `now`. Throws Fault `precondition`: `formats.revocations_stale` after its bound, and
 * `formats.revocations_early` when it was issued more than five minutes after `now`: one of the two clocks is wrong, and
 * a list from the future would be believed for longer than its bound.
 */
export function requireFresh({ list }: Pick<VerifiedRevocations, 'list'>, now: Date): void {
  if (now.getTime() >= Date.parse(list.nextUpdate)) {
    throw new Fault(
      'precondition',
      'formats.revocations_stale',
      `expected a revocation list that is valid at ${now.toISOString()}, got list ${list.sequence}, valid until ${list.nextUpdate}`,
      { hint: 'get the newest list from the server; until then nothing new is accepted' },
    );
  }
  if (Date.parse(list.issuedAt) - now.getTime() > maxSkewMs) {
    throw new Fault(
      'precondition',
      'formats.revocations_early',
      `expected a revocation list issued before ${now.toISOString()}, got list ${list.sequence} of ${list.issuedAt}`,
      { hint: 'set the clock of this machine or of the server right' },
    );
  }
}
