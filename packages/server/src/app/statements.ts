import type { NetworkMode, StepReport } from '@sallyport/contract';
import { type Digest, Fault, parseDigest } from '@sallyport/formats';
import type { BuildRecord, StepRecord } from '#pipeline';
import {
  type BuildStepRecord,
  dependenciesStatement,
  provenanceStatement,
  runStatement,
  type StatementContent,
  sbomStatement,
  sourceStatement,
  testResultStatement,
} from '#signing';
import type { Examination } from '#supply';

/** What is said about a build, each under the name that makes sealing it idempotent. */
export interface NamedStatement {
  readonly name: string;
  readonly content: StatementContent;
}

export interface StatementContext {
  readonly builderId: string;
  readonly definitionPath: string;
  readonly lockfiles: readonly { readonly path: string; readonly digest: Digest }[];
}

type FinishedStep = StepRecord & { readonly report: StepReport };

/** Everything that the control plane observed of a run, as statements about its artifact. Pure. */
export function buildStatements(
  record: BuildRecord,
  examined: Examination,
  context: StatementContext,
): readonly NamedStatement[] {
  const steps = record.steps.filter((step): step is FinishedStep => step.report !== undefined);
  const times = { startedAt: firstStart(steps, record), finishedAt: lastEnd(steps, record) };
  const { run } = record;
  const common = {
    project: run.project,
    service: run.service,
    repository: run.repository,
    ref: run.ref,
    commit: run.commit,
    trust: run.trust,
    trigger: run.trigger,
  };
  const { sbomDigest: _sbom, tooYoung: _young, denied: _denied, ...dependencies } = examined.dependencies;
  return [
    { name: 'source', content: sourceStatement(sourceOf(record)) },
    {
      name: 'provenance',
      content: provenanceStatement({
        builderId: context.builderId,
        runId: run.id,
        attempt: run.attempt,
        parameters: {
          ...common,
          definition: { path: context.definitionPath, digest: parseDigest(record.definitionDigest) },
        },
        sourceDigest: parseDigest(record.sourceDigest),
        agent: { id: run.agentId ?? 'unknown', version: run.report?.agentVersion ?? 'unknown' },
        ...times,
        steps: steps.map((step) => buildStep(record, step)),
        materials: record.materials,
      }),
    },
    {
      name: 'run',
      content: runStatement({
        ...common,
        runId: run.id,
        attempt: run.attempt,
        definitionDigest: parseDigest(record.definitionDigest),
        outcome: steps.every(({ report }) => report.outcome === 'succeeded') ? 'succeeded' : 'failed',
        ...times,
        steps: steps.map(runStep),
      }),
    },
    { name: 'sbom', content: sbomStatement({ ...examined.sbom }) },
    {
      name: 'dependencies',
      content: dependenciesStatement({
        ...dependencies,
        project: run.project,
        service: run.service,
        lockfiles: context.lockfiles,
      }),
    },
    ...steps.filter((step) => step.phase === 'verify').map((step) => testOf(record, step)),
  ];
}

function sourceOf(record: BuildRecord): Parameters<typeof sourceStatement>[0] {
  const { run } = record;
  const { commit } = run.signatures;
  const { author, committer } = run.facts;
  return {
    project: run.project,
    repository: run.repository,
    ref: run.ref,
    commit: run.commit,
    sourceDigest: parseDigest(record.sourceDigest),
    signed: commit.status === 'valid',
    ...(commit.signer === undefined ? {} : { signer: commit.signer }),
    ...(commit.scheme === undefined ? {} : { signatureFormat: commit.scheme }),
    ...(commit.key === undefined ? {} : { keyFingerprint: commit.key }),
    ...(commit.status === 'valid' ? {} : { reason: commit.reason ?? commit.status }),
    author: { name: author.name.slice(0, 300), email: author.email.slice(0, 300) },
    committedAt: new Date(committer.epochSeconds * 1000).toISOString(),
  };
}

function buildStep(record: BuildRecord, step: FinishedStep): BuildStepRecord {
  return {
    name: step.name,
    phase: step.phase,
    network: networkOf(record, step.name),
    logDigest: logOf(step),
    isolation: step.report.isolation,
    egress: step.report.egress,
  };
}

function networkOf(record: BuildRecord, name: string): NetworkMode {
  const { build, verify = [] } = record.definition;
  return [...build.steps, ...verify].find((step) => step.name === name)?.network ?? 'none';
}

function runStep(step: FinishedStep): Parameters<typeof runStatement>[0]['steps'][number] {
  const { report } = step;
  const count = (decision: 'allowed' | 'denied'): number =>
    report.egress.filter((each) => each.decision === decision).length;
  return {
    name: step.name,
    phase: step.phase,
    outcome: report.outcome,
    startedAt: report.startedAt,
    finishedAt: report.finishedAt,
    ...(report.exitCode === undefined ? {} : { exitCode: report.exitCode }),
    logDigest: logOf(step),
    isolation: { ...report.isolation },
    secrets: step.secrets,
    egress: { allowed: count('allowed'), denied: count('denied') },
  };
}

function testOf(record: BuildRecord, step: FinishedStep): NamedStatement {
  const content = testResultStatement({
    runId: record.run.id,
    step: step.name,
    passed: step.report.outcome === 'succeeded',
    logDigest: logOf(step),
  });
  return { name: `test/${step.name}`, content };
}

function logOf(step: FinishedStep): Digest {
  return parseDigest(step.log?.digest ?? step.report.logDigest);
}

const firstStart = (steps: readonly FinishedStep[], { run }: BuildRecord): string =>
  steps.map(({ report }) => report.startedAt).sort()[0] ?? run.createdAt.toISOString();

const lastEnd = (steps: readonly FinishedStep[], { run }: BuildRecord): string =>
  steps
    .map(({ report }) => report.finishedAt)
    .sort()
    .at(-1) ?? run.updatedAt.toISOString();

/** The artifact of a built run. */
export function imageOf(record: BuildRecord): Digest {
  if (record.image === undefined) {
    throw new Fault('integrity', 'journey.no_image', `expected run ${record.run.id} to have built an image`);
  }
  return parseDigest(record.image.digest);
}
