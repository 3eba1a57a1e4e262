import { equalBytes, fromUtf8, utf8 } from '../bytes/bytes.ts';
import { type Digest, digestHex, digestOf } from '../bytes/digest.ts';
import { Fault, isFault } from '../fault.ts';
import { blobPath, layoutMarker, parseExportIndex } from '../oci/layout.ts';
import { parseImageConfig, parseImageManifest } from '../oci/parse.ts';
import { bundleOfReferrer } from '../oci/referrer.ts';
import { predicateNameOf, readPredicate } from '../predicates/read.ts';
import type { Revocations } from '../predicates/revocations.ts';
import { parsePlaceUri, type Verdict } from '../predicates/verdict.ts';
import { digestRevoked, revokedFault, signedByOf, signerRevoked } from '../revocation/judge.ts';
import type { TrustRoot } from '../trust/trust-root.ts';
import { mismatch, type VerifiedBundle, verifyBundle } from './bundle.ts';
import { notPassed } from './verdict.ts';

export type ReadFile = (path: string) => Uint8Array | Promise<Uint8Array>;

export interface ExportExpectations {
  /** Also demand that the last verdict about this environment passed, and that all it judged is in the export. */
  readonly environment?: string;
  /** Also refuse what this list withdraws. Verified before (`verifyRevocations`) and fresh enough (`requireFresh`). */
  readonly revocations?: Revocations;
}

export interface ExportReport {
  readonly subject: Digest;
  /** Manifest, config and layers. */
  readonly imageBytes: number;
  readonly layers: number;
  /** In the order of the log. */
  readonly evidence: readonly VerifiedBundle[];
  readonly verdict?: VerifiedBundle & { readonly verdict: Verdict };
}

/**
 * Verifies an evidence export with no network: every file it refers to is read and hashed, every bundle is verified and
 * must be about the image. `readFile` gets paths relative to the export. Throws Fault `integrity`.
 */
export async function verifyExport(
  readFile: ReadFile,
  trustRoot: TrustRoot,
  { environment, revocations }: ExportExpectations = {},
): Promise<ExportReport> {
  try {
    const report = await readExport(readFile, trustRoot);
    if (revocations !== undefined) requireStanding(report, revocations);
    return environment === undefined
      ? report
      : { ...report, verdict: lastVerdict(report, trustRoot, environment) };
  } catch (cause) {
    if (isFault(cause) && (cause.kind === 'integrity' || cause.kind === 'unavailable')) throw cause;
    throw new Fault(
      'integrity',
      'formats.export_refused',
      'expected an evidence export, got one that does not verify',
      {
        cause,
      },
    );
  }
}

async function readExport(readFile: ReadFile, trustRoot: TrustRoot): Promise<ExportReport> {
  if (!equalBytes(await readFile('oci-layout'), utf8(layoutMarker))) throw damaged('oci-layout');
  const { image, referrers } = parseExportIndex(fromUtf8(await readFile('index.json')));
  const manifest = parseImageManifest(await readBlob(readFile, image));
  if (manifest.mediaType !== undefined && manifest.mediaType !== image.mediaType) throw damaged('index.json');
  const config = parseImageConfig(await readBlob(readFile, manifest.config));
  if (config.rootfs.diff_ids.length !== manifest.layers.length)
    throw damaged('the layers of the image config');
  for (const layer of manifest.layers) await readBlob(readFile, layer);
  const evidence: VerifiedBundle[] = [];
  for (const referrer of referrers) {
    const attached = parseImageManifest(await readBlob(readFile, referrer));
    await readBlob(readFile, attached.config);
    const bundle = await readBlob(readFile, bundleOfReferrer(attached, image.digest));
    const verified = verifyBundle(fromUtf8(bundle), trustRoot, { expectSubject: image.digest });
    requireOurs(verified, trustRoot);
    evidence.push(verified);
  }
  return {
    subject: image.digest,
    imageBytes: [image, manifest.config, ...manifest.layers].reduce((sum, blob) => sum + blob.size, 0),
    layers: manifest.layers.length,
    evidence: evidence.sort((a, b) => a.logIndex - b.logIndex),
  };
}

async function readBlob(readFile: ReadFile, blob: { readonly digest: Digest; readonly size: number }) {
  const path = blobPath(blob.digest);
  const bytes = await readFile(path);
  if (bytes.length !== blob.size || digestOf(bytes) !== blob.digest) throw damaged(path);
  return bytes;
}

/** Provenance and verdicts name who made them; in our export that is this installation. */
function requireOurs({ predicateType, statement }: VerifiedBundle, trustRoot: TrustRoot): void {
  const predicateName = predicateNameOf(predicateType);
  if (predicateName === 'provenance') {
    const { id } = readPredicate('provenance', statement.predicate).runDetails.builder;
    if (id !== trustRoot.builderId) throw mismatch('builder', trustRoot.builderId, id);
  } else if (predicateName === 'verdict') {
    const { id } = readPredicate('verdict', statement.predicate).verifier;
    if (id !== trustRoot.verifierId) throw mismatch('verifier', trustRoot.verifierId, id);
  }
}

/** One builder that stands is enough: the bytes are the same. */
function requireStanding({ subject, evidence }: ExportReport, list: Revocations): void {
  const ofDigest = digestRevoked(list, subject);
  if (ofDigest !== undefined) throw revokedFault(ofDigest, 'an image');
  const built = evidence.filter(({ predicateType }) => predicateNameOf(predicateType) === 'provenance');
  const revoked = built.map((each) => signerRevoked(list, signedByOf(each)));
  const [first] = revoked;
  if (first !== undefined && !revoked.includes(undefined)) throw revokedFault(first, 'an image of a builder');
}

function lastVerdict(report: ExportReport, trustRoot: TrustRoot, environment: string) {
  const verdicts = report.evidence.flatMap((verified) => {
    if (predicateNameOf(verified.predicateType) !== 'verdict') return [];
    const verdict = readPredicate('verdict', verified.statement.predicate);
    return parsePlaceUri(verdict.resourceUri).environment === environment ? [{ ...verified, verdict }] : [];
  });
  const last = verdicts.at(-1);
  if (last === undefined) {
    throw new Fault(
      'integrity',
      'formats.export_no_verdict',
      `expected a verdict of ${trustRoot.verifierId} about environment ${JSON.stringify(environment)}, found none`,
    );
  }
  // The log's order decides: a later refusal overrules an earlier pass.
  if (last.verdict.verificationResult !== 'PASSED') throw notPassed(last.verdict);
  const present = new Set(report.evidence.map((verified) => digestHex(verified.bundleDigest)));
  for (const { digest } of last.verdict.inputAttestations ?? []) {
    if (!present.has(digest['sha256'] ?? '')) {
      // Evidence left out of an export cannot be missed in any other way.
      throw mismatch(
        'all that the verdict judged, among it',
        digest['sha256'] ?? '?',
        'an export without it',
      );
    }
  }
  return last;
}

function damaged(what: string): Fault {
  return new Fault(
    'integrity',
    'formats.export_damaged',
    `expected the exported bytes of ${what}, got others`,
  );
}
