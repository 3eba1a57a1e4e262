import type { EgressRecord, Material } from '@sallyport/contract';
import { type Digest, digestOf, type LockedPackage, parsePackageLock, utf8 } from '@sallyport/formats';
import { compare, compareText, type Examined } from './compare.ts';
import { type CycloneDx, makeSbom } from './cyclonedx.ts';
import type { Finding } from './finding.ts';

export interface ExamineInput {
  readonly runId: string;
  readonly artifact: {
    readonly name: string;
    readonly digest: Digest;
    /** Paths of the files in the image, when they are known: what is in it, whatever the lock file says. */
    readonly files?: readonly string[];
  };
  /** Texts of the lock files named in the definition; absent when it names none. */
  readonly lockfileText?: string;
  readonly egress: readonly EgressRecord[];
  readonly materials: readonly Material[];
  /** Steps whose output can reach the artifact. Only their opaque connections make the record incomplete. */
  readonly buildSteps: readonly string[];
  /** The commit's time: the only time in the result, so that the same build gives the same bytes. */
  readonly commitEpochSeconds: number;
}

/** What a gate and a reader need of the comparison; goes into the `dependencies` statement. */
export interface DependencyReport {
  readonly runId: string;
  readonly locked: number;
  readonly fetched: number;
  readonly verified: number;
  readonly mismatches: number;
  readonly notInLock: number;
  readonly notFetched: number;
  readonly tooYoung: number;
  readonly denied: number;
  /** Every byte that a build step fetched is known by digest: no connection whose content we cannot see. */
  readonly complete: boolean;
  /** The bill of materials lists exactly what was fetched and what is in the artifact. */
  readonly sbomMatchesFetched: boolean;
  readonly sbomDigest: Digest;
  readonly findings: readonly Finding[];
}

export interface Examination {
  readonly sbom: CycloneDx;
  readonly dependencies: DependencyReport;
}

const maxFindings = 2000;

/** Pure: the same input gives the same bytes, in any order of the records. Throws Fault invalid for a bad lock file. */
export function examine(input: ExamineInput): Examination {
  const lock: readonly LockedPackage[] =
    input.lockfileText === undefined ? [] : parsePackageLock(input.lockfileText);
  const { packages, findings, counts } = compare(lock, input.egress);
  const opaque = input.egress.filter(
    (record) =>
      record.kind === 'connect' && record.decision === 'allowed' && input.buildSteps.includes(record.step),
  );
  const unknown = unknownInArtifact(packages, input.artifact.files);
  const all = [...findings, ...opaque.map(opaqueFinding), ...unknown];
  const complete = opaque.length === 0;
  const sbom = makeSbom({ ...input, packages, complete });
  const matches =
    counts.mismatches === 0 &&
    counts.notInLock === 0 &&
    unknown.length === 0 &&
    !all.some((finding) => finding.kind === 'not-fetched' && finding.severity !== 'low');
  return {
    sbom,
    dependencies: {
      runId: input.runId,
      ...counts,
      complete,
      sbomMatchesFetched: matches,
      sbomDigest: digestOf(utf8(JSON.stringify(sbom))),
      findings: sortFindings(all),
    },
  };
}

function opaqueFinding(record: EgressRecord): Finding {
  return {
    kind: 'opaque-egress',
    severity: 'medium',
    subject: record.uri.slice(0, 500),
    message: `build step ${record.step} was connected; what it fetched is not known`,
  };
}

/** Packages in the artifact that no lock file has: what a package manager's own list would never show. */
function unknownInArtifact(packages: readonly Examined[], files: readonly string[] | undefined): Finding[] {
  if (files === undefined) return [];
  const known = new Set(packages.flatMap((each) => each.paths));
  const findings: Finding[] = [];
  for (const file of files) {
    // Only the manifest directly in the package folder: packages carry further package.json files inside.
    const match =
      /(?:^|\/)((?:node_modules\/(?:@[^/]+\/)?[^/]+\/)*node_modules\/(?:@[^/]+\/)?[^/]+)\/package\.json$/.exec(
        file,
      );
    const path = match?.[1];
    if (path === undefined || known.has(path) || isBundled(path, packages)) continue;
    findings.push({
      kind: 'unknown-in-artifact',
      severity: 'high',
      subject: file.slice(0, 500),
      message: 'a package is in the artifact, but no lock file has it',
    });
  }
  return findings;
}

/** Older npm versions do not list what comes inside another package's tarball. */
function isBundled(path: string, packages: readonly Examined[]): boolean {
  return packages.some((each) => each.bundled && each.paths.some((known) => path.startsWith(`${known}/`)));
}

const severities = { high: 0, medium: 1, low: 2 } as const;

/** Worst first, each once. The number is bounded: a hostile build must not make evidence grow without end. */
function sortFindings(findings: readonly Finding[]): readonly Finding[] {
  const unique = new Map(findings.map((each) => [`${each.kind} ${each.subject} ${each.message}`, each]));
  const sorted = [...unique.values()].sort(
    (a, b) =>
      severities[a.severity] - severities[b.severity] ||
      compareText(a.kind, b.kind) ||
      compareText(a.subject, b.subject) ||
      compareText(a.message, b.message),
  );
  return sorted.slice(0, maxFindings);
}
