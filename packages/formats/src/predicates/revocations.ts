import type { Digest } from '../bytes/digest.ts';
import {
  closed,
  digest,
  instant,
  integer,
  list,
  plainObject,
  type Shape,
  shapeFault,
  text,
  uri,
} from '../json/shape.ts';
import { id } from './fields.ts';

/** What is withdrawn. */
export type RevocationTarget =
  | { readonly kind: 'digest'; readonly digest: Digest }
  /** `fingerprint`: SHA-256 of the certificate's DER, hexadecimal. */
  | { readonly kind: 'certificate'; readonly fingerprint: string }
  /** `issuerKey`: SHA-256 of the issuing authority's SubjectPublicKeyInfo. A name could belong to two authorities. */
  | { readonly kind: 'serial'; readonly serial: string; readonly issuerKey: string }
  /** The subject alternative name of certificates, and the OIDC issuer they name. */
  | { readonly kind: 'identity'; readonly subject: string; readonly issuer: string }
  /** `runDetails.builder.id` of provenance. */
  | { readonly kind: 'builder'; readonly builder: string };

/** Since when: an instant for people, and the log index that verifiers compare with, because an index cannot be forged. */
export interface RevokedFrom {
  readonly at: string;
  readonly logIndex: number;
}

interface EntryBase {
  readonly id: string;
  readonly reason: string;
  readonly by: { readonly id: string; readonly name: string };
  readonly at: string;
}

/** Withdraws what was signed from an instant on, or all of it. A digest is always withdrawn as a whole. */
export interface Revocation extends EntryBase {
  readonly target: RevocationTarget;
  readonly from: 'all' | RevokedFrom;
}

/** Ends an entry for what is signed from here on; what it withdrew stays withdrawn. A digest is given back. */
export interface Restoration extends EntryBase {
  readonly restores: string;
  readonly from: RevokedFrom;
}

export type RevocationEntry = Revocation | Restoration;

/** `revocations/v1`: all that this installation ever withdrew. Entries are only ever added, at the end. */
export interface Revocations {
  readonly installation: string;
  /** Grows with each list; a verifier that saw a larger one refuses a smaller one. */
  readonly sequence: number;
  readonly issuedAt: string;
  /** The freshness bound: from here on the list says nothing about the present. At most 31 days after `issuedAt`. */
  readonly nextUpdate: string;
  readonly entries: readonly RevocationEntry[];
}

export const maxRevocations = 2000;
const maxValidityMs = 31 * 24 * 3600 * 1000;
const sha256Hex = text(64, /^[0-9a-f]{64}$/);

const targets: { readonly [K in RevocationTarget['kind']]: Shape<Extract<RevocationTarget, { kind: K }>> } = {
  digest: closed<Extract<RevocationTarget, { kind: 'digest' }>>({ kind: constant('digest'), digest }, {}),
  certificate: closed<Extract<RevocationTarget, { kind: 'certificate' }>>(
    { kind: constant('certificate'), fingerprint: sha256Hex },
    {},
  ),
  serial: closed<Extract<RevocationTarget, { kind: 'serial' }>>(
    // RFC 5280 4.1.2.2: at most 20 octets. Without leading zeros, so that one serial has one spelling.
    { kind: constant('serial'), serial: text(40, /^(?:0|[1-9a-f][0-9a-f]*)$/), issuerKey: sha256Hex },
    {},
  ),
  identity: closed<Extract<RevocationTarget, { kind: 'identity' }>>(
    { kind: constant('identity'), subject: text(1000, /^[\x21-\x7e]+$/), issuer: uri },
    {},
  ),
  builder: closed<Extract<RevocationTarget, { kind: 'builder' }>>(
    { kind: constant('builder'), builder: uri },
    {},
  ),
};

function constant<const T extends string>(expected: T): Shape<T> {
  return (value, at) => {
    if (value !== expected) throw shapeFault(at, JSON.stringify(expected), value);
    return expected;
  };
}

/** What a statement or a request may withdraw. Throws Fault `formats.shape`. */
export const revocationTarget: Shape<RevocationTarget> = (value, at) => {
  const kinds = Object.keys(targets);
  const { kind } = plainObject(value, at);
  if (typeof kind !== 'string' || !Object.hasOwn(targets, kind))
    throw shapeFault(`${at}.kind`, kinds.join(' or '), kind);
  // One of the keys, as was checked just now.
  return targets[kind as RevocationTarget['kind']](value, at);
};

const base = {
  id,
  reason: text(300, /\S/),
  by: closed<EntryBase['by']>({ id, name: text(300) }, {}),
  at: instant,
};
const from = closed<RevokedFrom>({ at: instant, logIndex: integer(0) }, {});
const readRevocation = closed<Revocation>(
  { ...base, target: revocationTarget, from: (value, at) => (value === 'all' ? value : from(value, at)) },
  {},
);
const readRestoration = closed<Restoration>({ ...base, restores: id, from }, {});

const entry: Shape<RevocationEntry> = (value, at) =>
  Object.hasOwn(plainObject(value, at), 'restores') ? readRestoration(value, at) : readRevocation(value, at);

const readRevocations = closed<Revocations>(
  {
    installation: text(200, /^[\x21-\x7e]+$/),
    sequence: integer(1),
    issuedAt: instant,
    nextUpdate: instant,
    entries: list(entry, maxRevocations),
  },
  {},
);

export const revocationsShape: Shape<Revocations> = (value, at) => {
  const read = readRevocations(value, at);
  const issued = Date.parse(read.issuedAt);
  const validity = Date.parse(read.nextUpdate) - issued;
  if (validity <= 0 || validity > maxValidityMs)
    throw shapeFault(`${at}.nextUpdate`, 'a time up to 31 days after issuedAt', read.nextUpdate);
  const seen = new Map<string, RevocationEntry>();
  read.entries.forEach((each, i) => {
    const here = `${at}.entries[${i}]`;
    if (seen.has(each.id)) throw shapeFault(`${here}.id`, 'each id once', each.id);
    // An instant to come would be an entry that looks like one and withdraws nothing.
    if (Date.parse(each.at) > issued) throw shapeFault(`${here}.at`, 'a time not after issuedAt', each.at);
    if (each.from !== 'all' && Date.parse(each.from.at) > issued)
      throw shapeFault(`${here}.from.at`, 'a time not after issuedAt', each.from.at);
    if ('restores' in each) {
      const restored = seen.get(each.restores);
      if (restored === undefined || 'restores' in restored)
        throw shapeFault(`${here}.restores`, 'the id of an earlier revocation', each.restores);
    } else if (each.target.kind === 'digest' && each.from !== 'all') {
      throw shapeFault(`${here}.from`, '"all": a digest is withdrawn as a whole', each.from.at);
    }
    seen.set(each.id, each);
  });
  return read;
};
