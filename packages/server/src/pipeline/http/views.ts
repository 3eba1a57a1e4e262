import type { RepositoryView, RunStepView, RunView, SignatureView } from '@sallyport/contract';
import type { Repository } from '../repositories/repository.ts';
import type { Run, StepRecord } from '../runs/run.ts';
import type { SignatureResult } from '../signatures/verify.ts';

export function repositoryView(repository: Repository): RepositoryView {
  const { defaultRef, polledAt, createdAt, ...rest } = repository;
  return {
    ...rest,
    protectedBranch: defaultRef,
    protectedRefs: [...repository.protectedRefs],
    createdAt: createdAt.toISOString(),
    ...(polledAt === undefined ? {} : { polledAt: polledAt.toISOString() }),
  };
}

export function runView(run: Run): RunView {
  const { author, committer, subject } = run.facts;
  const image = run.state === 'failed' || run.state === 'cancelled' ? undefined : run.report?.image?.digest;
  return {
    id: run.id,
    project: run.project,
    service: run.service,
    repository: run.repository,
    trigger: run.trigger,
    startedBy: run.startedBy,
    ref: run.ref,
    commit: run.commit,
    subject,
    author: { name: author.name, email: author.email },
    committer: { name: committer.name, email: committer.email },
    trust: run.trust,
    signature: signatureView(run.signatures.commit),
    state: run.state,
    attempt: run.attempt,
    maxAttempts: run.maxAttempts,
    createdAt: run.createdAt.toISOString(),
    updatedAt: run.updatedAt.toISOString(),
    ...(run.signatures.tag === undefined ? {} : { tagSignature: signatureView(run.signatures.tag) }),
    ...(run.definitionDigest === undefined ? {} : { definitionDigest: run.definitionDigest }),
    ...(run.definitionCommit === undefined ? {} : { definitionCommit: run.definitionCommit }),
    ...(run.sourceDigest === undefined ? {} : { sourceDigest: run.sourceDigest }),
    ...(run.reason === undefined ? {} : { reason: run.reason }),
    ...(image === undefined ? {} : { image }),
  };
}

export function stepView({ report, log, ...step }: StepRecord): RunStepView {
  return {
    attempt: step.attempt,
    name: step.name,
    phase: step.phase,
    status: step.status,
    ...(report?.reason === undefined ? {} : { reason: report.reason }),
    ...(report?.exitCode === undefined ? {} : { exitCode: report.exitCode }),
    ...(step.grantedAt === undefined ? {} : { startedAt: step.grantedAt.toISOString() }),
    ...(step.finishedAt === undefined ? {} : { finishedAt: step.finishedAt.toISOString() }),
    ...(log === undefined
      ? {}
      : { logDigest: log.digest, logBytes: log.sizeBytes, logTruncated: log.truncated }),
  };
}

const signatureView = (result: SignatureResult): SignatureView => ({ ...result });
