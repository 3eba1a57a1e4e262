import { equalBytes } from '../bytes/bytes.ts';
import type { Digest } from '../bytes/digest.ts';
import { verifyTimestamp } from '../timestamp/verify.ts';
import type { Certificate } from '../x509/certificate.ts';
import { type CertificateIdentity, identityOf } from '../x509/identity.ts';
import { oids } from '../x509/oids.ts';
import { verifyPath } from '../x509/path.ts';
import { embeddedScts, verifySct } from '../x509/sct.ts';
import { parseSigstoreBundle, type SigstoreBundle } from './document.ts';
import { requireRecorded } from './entry-body.ts';
import { type VerifiedEntry, verifyLogEntry } from './log-entry.ts';
import { asksIdentity, requireIdentity, type SigstorePolicy } from './policy.ts';
import { checking, refusal } from './refusal.ts';
import { type Artifact, signedContent } from './signed-content.ts';
import { signerOf } from './signer.ts';
import { digestOfArtifact, type ForeignStatement, statementAbout } from './statement.ts';
import { type SigstoreTrustedRoot, within } from './trusted-root.ts';

export interface SigstoreQuestion {
  /** The bundle's JSON text. */
  readonly bundle: string;
  readonly trustedRoot: SigstoreTrustedRoot;
  readonly artifact: Artifact;
  readonly policy: SigstorePolicy;
}

/** What a bundle proves: who signed what, when, and which logs have it. */
export interface VerifiedSigstoreBundle {
  /** Undefined when the key of the policy signed. */
  readonly identity: CertificateIdentity | undefined;
  readonly artifact: Digest;
  /** Undefined when the artifact itself was signed. */
  readonly statement: ForeignStatement | undefined;
  /** Instants at which the signature existed, in milliseconds since 1970, and whose clock says so. */
  readonly times: readonly { readonly at: number; readonly by: 'log' | 'timestamp authority' }[];
  readonly entries: readonly { readonly log: string; readonly logIndex: number; readonly kind: string }[];
}

/** An instant and the clock it came from: two instants of one clock are one witness. */
interface Instant {
  readonly at: number;
  readonly by: 'log' | 'timestamp authority';
  readonly clock: object;
}

/**
 * Verifies a Sigstore bundle (client specification, sections 4 and 5) with the trust root and nothing else: no network,
 * no clock. Everything that the bundle carries must hold, not only as much as the thresholds ask for. Throws Fault
 * `integrity` with the code `formats.sigstore_<check>` and the reason.
 * KNOWN LIMIT: without a clock nobody notices that the trust root is an old one; cosignatures of witnesses are passed
 * over and not counted.
 */
export function verifySigstoreBundle(question: SigstoreQuestion): VerifiedSigstoreBundle {
  const { trustedRoot, artifact, policy } = question;
  const bundle = checking('bundle', 'a Sigstore bundle', () => parseSigstoreBundle(question.bundle));
  const signer = checking('signer', 'a signer', () => signerOf(bundle, policy));
  const content = signedContent(bundle.content, artifact);

  // That logs of the trust root have exactly this signature, by this signer.
  const entries = bundle.entries.map((entry) =>
    checking('log_entry', 'a log entry', () => {
      requireRecorded(entry, content, signer);
      return verifyLogEntry(entry, trustedRoot.logs);
    }),
  );

  // When it existed: a certificate lives for minutes, so everything hangs on the clocks of others.
  const times = [...logTimes(entries), ...timestampTimes(bundle, trustedRoot)];
  for (const { log } of entries) requireLogPeriod(log.period, times);
  requireThresholds(policy, entries, times, signer.certificate);

  // Who signed: an identity that an authority of the trust root vouched for, in the open, or the key of the policy.
  const { certificate } = signer;
  let identity: CertificateIdentity | undefined;
  if (certificate !== undefined) {
    requireCertificate(certificate, times, question);
    identity = checking('identity', 'a certificate with one identity', () => identityOf(certificate));
    if (policy.key === undefined || asksIdentity(policy)) requireIdentity(policy, identity);
  }

  // What was signed.
  checking('signature', 'a signature', () => content.requireSignedBy(signer.key));
  const { content: body } = bundle;
  const statement =
    body.kind === 'envelope'
      ? checking('artifact', 'a statement', () => statementAbout(body, artifact, policy.subjects))
      : undefined;
  return {
    identity,
    artifact: digestOfArtifact(artifact),
    statement,
    times: times.map(({ at, by }) => ({ at, by })),
    entries: entries.map(({ log, entry }) => ({
      log: log.host,
      logIndex: entry.logIndex,
      kind: `${entry.kind} ${entry.version}`,
    })),
  };
}

function logTimes(entries: readonly VerifiedEntry[]): readonly Instant[] {
  return entries.flatMap(({ log, time }) =>
    time === undefined ? [] : [{ at: time, by: 'log', clock: log } as const],
  );
}

function timestampTimes(
  bundle: SigstoreBundle,
  { timestampAuthorities }: SigstoreTrustedRoot,
): readonly Instant[] {
  const { signature } = bundle.content;
  return bundle.timestamps.map((response) =>
    checking('timestamp', 'a timestamp', () => {
      const { time, authority } = verifyTimestamp(
        response,
        signature,
        timestampAuthorities,
        ({ period }, at) => within(period, at),
      );
      return { at: time, by: 'timestamp authority', clock: authority };
    }),
  );
}

/** A log is believed for its own period. Without any time one that has ended cannot be told from one that has not. */
function requireLogPeriod(period: Parameters<typeof within>[0], times: readonly Instant[]): void {
  const known = times.length > 0 || period.end === undefined;
  if (!known || times.some(({ at }) => !within(period, at))) {
    throw refusal('log_entry', 'a log that is trusted at the time of the signature', 'another time');
  }
}

function requireThresholds(
  { thresholds = {} }: SigstorePolicy,
  entries: readonly VerifiedEntry[],
  times: readonly Instant[],
  certificate: Certificate | undefined,
): void {
  const logs = new Set(entries.map(({ log }) => log)).size;
  if (logs < (thresholds.logs ?? 1)) {
    throw refusal('threshold', `entries of ${thresholds.logs ?? 1} logs`, String(logs));
  }
  const clocks = new Set(times.map(({ clock }) => clock)).size;
  const wanted = Math.max(thresholds.times ?? 1, certificate === undefined ? 0 : 1);
  if (clocks < wanted) throw refusal('threshold', `times of ${wanted} clocks`, String(clocks));
}

/** The path to an authority that was trusted, at each time, and the promises of certificate logs. */
function requireCertificate(
  leaf: Certificate,
  times: readonly Instant[],
  { trustedRoot, policy }: SigstoreQuestion,
): void {
  const issuers = times.map(({ at }) =>
    checking('certificate', `a certificate of a trusted authority at ${new Date(at).toISOString()}`, () =>
      issuerAt(leaf, at, trustedRoot),
    ),
  );
  const [issuer] = issuers;
  if (issuer === undefined) throw refusal('threshold', 'a time for the certificate', 'none');
  const wanted = policy.thresholds?.scts ?? 1;
  const logs = checking('sct', 'certificate timestamps', () => countScts(leaf, issuer, trustedRoot));
  if (logs < wanted) throw refusal('sct', `promises of ${wanted} certificate logs`, String(logs));
}

function issuerAt(leaf: Certificate, at: number, { authorities }: SigstoreTrustedRoot): Certificate {
  let cause: unknown;
  for (const { chain, period } of authorities) {
    if (!within(period, at) || !chain.some(({ subject }) => equalBytes(subject, leaf.issuer))) continue;
    try {
      const [, issuer] = verifyPath({
        leaf,
        intermediates: chain.slice(0, -1),
        anchors: chain.slice(-1),
        at,
        purpose: oids.codeSigning,
      });
      if (issuer !== undefined) return issuer;
    } catch (problem) {
      // Authorities keep their name over a change of keys; the next may be the one.
      cause = problem;
    }
  }
  throw refusal('certificate', 'a path to an authority that is trusted at the time', 'none', cause);
}

/** How many trusted certificate logs promised to publish the certificate; a promise that is wrong refuses. */
function countScts(leaf: Certificate, issuer: Certificate, { ctLogs }: SigstoreTrustedRoot): number {
  const logs = new Set<object>();
  for (const sct of embeddedScts(leaf)) {
    const log = ctLogs.find(({ keyId }) => equalBytes(keyId, sct.logId));
    if (log === undefined) continue;
    if (!within(log.period, sct.timestamp))
      throw refusal('sct', 'a certificate log that is trusted then', 'another time');
    if (!verifySct(sct, leaf, issuer.key.spki, log.key))
      throw refusal('sct', 'a promise that its log signed', 'another');
    logs.add(log);
  }
  return logs.size;
}
