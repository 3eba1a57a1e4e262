import type { Digest } from '../bytes/digest.ts';
import { Fault } from '../fault.ts';
import { readPredicate } from '../predicates/read.ts';
import type { Restoration, Revocation, Revocations, RevocationTarget } from '../predicates/revocations.ts';
import { predicateTypes } from '../predicates/types.ts';
import type { VerifiedBundle } from '../verify/bundle.ts';

/** What a verified piece of evidence stands on. What is absent was not claimed by it. */
export interface SignedBy {
  /** Its place in the log of the installation that issued the list. */
  readonly logIndex?: number;
  /** A time proven by a trusted authority, for evidence in another log. Never a time that the signer states. */
  readonly signedAt?: string;
  readonly builder?: string;
  readonly certificate?: {
    readonly fingerprint: string;
    readonly serial: string;
    readonly issuerKey: string;
  };
  readonly identity?: { readonly subject: string; readonly issuer: string };
}

/** What a bundle of this installation's log stands on. */
export function signedByOf({ predicateType, statement, logIndex }: VerifiedBundle): SignedBy {
  if (predicateType !== predicateTypes.provenance) return { logIndex };
  return { logIndex, builder: readPredicate('provenance', statement.predicate).runDetails.builder.id };
}

/** The entry that withdraws a digest; undefined when none does. */
export function digestRevoked(list: Revocations, digest: Digest): Revocation | undefined {
  const { revocations, restorations } = sorted(list);
  return revocations.find(
    ({ id, target }) =>
      target.kind === 'digest' &&
      target.digest === digest &&
      !restorations.some(({ restores }) => restores === id),
  );
}

/**
 * The entry that withdraws a piece of evidence by who made or signed it. Evidence that proves neither its place in the
 * log nor its time counts as signed after every instant, and before every restoration.
 */
export function signerRevoked(list: Revocations, signed: SignedBy): Revocation | undefined {
  const { revocations, restorations } = sorted(list);
  return revocations.find(
    ({ id, target, from }) =>
      names(target, signed) &&
      (from === 'all' || isFrom(signed, from, true)) &&
      !restorations.some((each) => each.restores === id && isFrom(signed, each.from, false)),
  );
}

function sorted({ entries }: Revocations) {
  const revocations = entries.filter((each): each is Revocation => 'target' in each);
  const restorations = entries.filter((each): each is Restoration => 'restores' in each);
  return { revocations, restorations };
}

function names(target: RevocationTarget, { builder, certificate, identity }: SignedBy): boolean {
  switch (target.kind) {
    case 'digest':
      return false;
    case 'builder':
      return builder === target.builder;
    case 'certificate':
      return certificate?.fingerprint === target.fingerprint;
    case 'serial':
      return certificate?.serial === target.serial && certificate.issuerKey === target.issuerKey;
    case 'identity':
      return identity?.subject === target.subject && identity.issuer === target.issuer;
  }
}

/** The log's order first: it cannot be forged. `unknown` is the answer where nothing is proven. */
function isFrom(signed: SignedBy, from: { at: string; logIndex: number }, unknown: boolean): boolean {
  if (signed.logIndex !== undefined) return signed.logIndex >= from.logIndex;
  if (signed.signedAt !== undefined) return Date.parse(signed.signedAt) >= Date.parse(from.at);
  return unknown;
}

/** The refusal of something withdrawn, as people read it: what, by whom, when and why. */
export function revokedFault(entry: Revocation, what: string): Fault {
  return new Fault(
    'integrity',
    'formats.revoked',
    `expected ${what} that is not revoked, got ${describeRevocation(entry)}`,
    {
      hint: fixOf(entry.target),
      details: { revocation: entry.id },
    },
  );
}

/** One sentence without a full stop: what was withdrawn, by whom, when and why. */
export function describeRevocation({ id, target, from, by, at, reason }: Revocation): string {
  const since = from === 'all' ? '' : ` for all signed since ${from.at}`;
  return `${nameOfTarget(target)}, revoked${since} by ${by.name} at ${at} (${id}): ${reason}`;
}

function nameOfTarget(target: RevocationTarget): string {
  switch (target.kind) {
    case 'digest':
      return `digest ${target.digest}`;
    case 'builder':
      return `builder ${target.builder}`;
    case 'certificate':
      return `certificate ${target.fingerprint}`;
    case 'serial':
      return `certificate with serial ${target.serial}`;
    case 'identity':
      return `identity ${target.subject} of ${target.issuer}`;
  }
}

function fixOf(target: RevocationTarget): string {
  return target.kind === 'digest'
    ? 'deploy another release; this one was withdrawn'
    : 'build it again with a builder and an identity that are not revoked, and deploy that release';
}
