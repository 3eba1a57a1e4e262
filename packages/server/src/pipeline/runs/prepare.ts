import { type Definition, normalizeDefinition, parseDefinition } from '@sallyport/contract';
import { Fault, fromUtf8, isFault } from '@sallyport/formats';
import type { Clock, Ids } from '#platform';
import type { Mirror, RefAt } from '../git/mirror.ts';
import type { Repository } from '../repositories/repository.ts';
import { verifySignature } from '../signatures/verify.ts';
import { isWanted, type Trigger, trustOf } from '../triggers/match.ts';
import type { Run, Signatures } from './run.ts';
import type { Sources } from './sources.ts';

const maxDefinitionBytes = 262_144;

export interface PrepareDeps {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly sources: Sources;
  readonly maxAttempts: number;
}

export interface RunRequest {
  readonly repository: Repository;
  readonly mirror: Mirror;
  readonly at: RefAt;
  readonly trigger: Trigger;
  readonly startedBy: string;
}

/**
 * Freezes all that a run will be: commit, trust, definition, signatures, source archive. Reads git and writes files,
 * so it runs outside of any transaction. Undefined when the definition wants no run for this ref. A definition that
 * cannot be read fails the run: silence would look like a build that never came.
 */
export async function prepareRun(deps: PrepareDeps, request: RunRequest): Promise<Run | undefined> {
  const { repository, mirror, at, trigger } = request;
  const head = await mirror.find(repository.defaultRef);
  if (head === undefined) {
    const message = `expected the protected branch "${repository.defaultRef}" in the repository, it is not there`;
    throw new Fault('precondition', 'pipeline.no_protected_branch', message);
  }
  const isOnProtectedBranch = await mirror.isAncestor(at.commit, head.commit);
  const trust = trustOf({ ref: at.ref, protectedRefs: repository.protectedRefs, isOnProtectedBranch });
  // A commit that went through the protection brings its own definition; any other is built by the protected one,
  // whatever its own sallyport.yaml says: else a pull request could grant itself secrets and drop its gates.
  const definitionCommit = isOnProtectedBranch ? at.commit : head.commit;
  const read = await readDefinition(mirror, repository, definitionCommit).catch((error: unknown) => {
    if (trigger !== 'manual' && isFault(error) && error.kind === 'invalid') return error;
    throw error;
  });
  if (read instanceof Fault) {
    if (at.ref !== repository.defaultRef) return undefined;
  } else if (trigger !== 'manual' && !isWanted(read.definition.triggers, at.ref)) return undefined;

  const commit = await mirror.commit(at.commit);
  const now = deps.clock.now();
  const base = {
    id: deps.ids.next('run'),
    project: repository.project,
    repositoryId: repository.id,
    repository: repository.name,
    trigger,
    startedBy: request.startedBy,
    ref: at.ref,
    commit: at.commit,
    facts: {
      author: commit.author,
      committer: commit.committer,
      subject: commit.subject,
      parents: commit.parents,
    },
    trust,
    signatures: await judgeSignatures(request, deps.clock.now()),
    attempt: 0,
    maxAttempts: deps.maxAttempts,
    createdAt: now,
    updatedAt: now,
  };
  if (read instanceof Fault) {
    return { ...base, service: repository.name, state: 'failed', reason: read.message.slice(0, 4000) };
  }
  const sourceDigest = await deps.sources.keep(mirror, at.commit);
  return {
    ...base,
    service: read.definition.service ?? repository.name,
    definition: read.definition,
    definitionDigest: read.digest,
    definitionCommit,
    sourceDigest,
    state: 'queued',
  };
}

async function readDefinition(
  mirror: Mirror,
  repository: Repository,
  commit: string,
): Promise<{ readonly definition: Definition; readonly digest: string }> {
  const file = repository.definitionPath;
  const bytes = await mirror.readFile(commit, file, maxDefinitionBytes);
  if (bytes === undefined) {
    throw new Fault(
      'invalid',
      'pipeline.no_definition',
      `expected "${file}" at commit ${commit}, it is not there`,
      {
        hint: '`sally init` writes one to begin with',
      },
    );
  }
  return normalizeDefinition(parseDefinition(fromUtf8(bytes), { file }), repository.name);
}

async function judgeSignatures({ repository, mirror, at }: RunRequest, now: Date): Promise<Signatures> {
  const commit = await mirror.commit(at.commit);
  const ofCommit = await verifySignature({
    signed: commit.signed,
    policy: repository,
    committer: commit.committer,
    now,
  });
  if (at.object === at.commit) return { commit: ofCommit };
  const tag = await mirror.tag(at.object);
  const committer = tag.tagger ?? { name: '', email: '', epochSeconds: 0 };
  return {
    commit: ofCommit,
    tag: await verifySignature({ signed: tag.signed, policy: repository, committer, now }),
  };
}
