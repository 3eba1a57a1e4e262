import { X509Certificate } from 'node:crypto';
import { Fault, sha256, toHex } from '@sallyport/formats';
import type { Actor, Clock } from '#platform';
import type { EntryKey } from './entry-key.ts';

/** `certificates`: whoever shows a certificate of our authority. `authenticated`: whoever has a token of this server. */
export type RekorWriters = 'certificates' | 'authenticated';

export interface AdmissionDeps {
  readonly clock: Clock;
  readonly writers: RekorWriters;
  /** Certificates in DER that issue leaves: the intermediates of our authority. */
  readonly issuers: () => Promise<readonly Uint8Array[]>;
  /** How many entries one writer may add per second; ten seconds' worth at once. */
  readonly entriesPerSecond: number;
}

export interface Admission {
  /** Throws unless `actor` may add an entry under `key` now. */
  admit(actor: Actor, key: EntryKey): Promise<void>;
}

/** Writers that are counted at the same time; those longest silent are forgotten first. */
const maxWriters = 10_000;

/**
 * Who may make the log grow, and how fast. An entry is for ever, so strangers get in only with a certificate that our
 * authority issued to somebody, and that is valid now.
 */
export function createAdmission(deps: AdmissionDeps): Admission {
  const { clock, writers, entriesPerSecond } = deps;
  /** Hashes of certificates whose signature was verified. */
  const ours = new Set<string>();
  const buckets = new Map<string, { tokens: number; at: number }>();

  function spend(writer: string): void {
    const now = clock.now().getTime();
    const most = entriesPerSecond * 10;
    const before = buckets.get(writer) ?? { tokens: most, at: now };
    const earned = (Math.max(0, now - before.at) * entriesPerSecond) / 1000;
    const tokens = Math.min(most, before.tokens + earned);
    buckets.delete(writer);
    buckets.set(writer, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    const [oldest] = buckets.keys();
    if (buckets.size > maxWriters && oldest !== undefined) buckets.delete(oldest);
    if (tokens >= 1) return;
    throw new Fault(
      'exhausted',
      'rekor.rate',
      `expected at most ${entriesPerSecond} entries per second of one writer, got more`,
      { hint: 'wait a second' },
    );
  }

  /** A signature of our authority stays one; looking at it again costs as much as that of the entry. */
  async function isOurs(certificate: X509Certificate, rawBytes: Uint8Array): Promise<boolean> {
    const name = toHex(sha256(rawBytes));
    if (ours.has(name)) return true;
    const issuers = await deps.issuers();
    if (!issuers.some((issuer) => issued(issuer, certificate))) return false;
    const [oldest] = ours;
    if (ours.size >= maxWriters && oldest !== undefined) ours.delete(oldest);
    ours.add(name);
    return true;
  }

  return {
    async admit(actor, key) {
      if (writers === 'authenticated') return spend(`${actor.kind}/${actor.id}`);
      const { certificate } = key;
      if (certificate === undefined) throw notOurs('a bare key');
      if (!(await isOurs(certificate, key.rawBytes))) throw notOurs('another certificate');
      const now = clock.now().getTime();
      if (now < certificate.validFromDate.getTime() || now > certificate.validToDate.getTime()) {
        throw notOurs('one that is not valid now');
      }
      // Leaves are short-lived and their keys new each time: the identity is what is counted.
      spend(toHex(sha256(Buffer.from(certificate.subjectAltName ?? certificate.subject))));
    },
  };
}

function issued(issuer: Uint8Array, certificate: X509Certificate): boolean {
  const authority = new X509Certificate(issuer);
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function notOurs(got: string): Fault {
  return new Fault(
    'invalid',
    'rekor.writer',
    `expected a certificate that the authority of this installation issued and that is valid now, got ${got}`,
    { hint: "ask for one at /api/v2/signingCert, or set 'rekor_writers' to authenticated" },
  );
}
