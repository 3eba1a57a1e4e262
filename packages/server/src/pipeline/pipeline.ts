import { join } from 'node:path';
import type { AuditedTable } from '#platform';
import { createMirrors } from './git/mirrors.ts';
import { type LeaseClaim, lockLeased } from './jobs/fence.ts';
import { createJobVerbs, type JobVerbs } from './jobs/jobs.ts';
import { createStepVerbs, type StepVerbs } from './jobs/steps.ts';
import { createLogs } from './logs/logs.ts';
import { createLogReader, type LogReader } from './logs/reader.ts';
import { type PipelineDeps, pollQueue } from './ports.ts';
import { createRepositoryVerbs, type RepositoryVerbs } from './repositories/repositories.ts';
import { repositoryResource, repositoryState } from './repositories/repository.ts';
import { repositoryStore } from './repositories/store.pg.ts';
import { runResource, runState } from './runs/run.ts';
import { createRunVerbs, type RunVerbs } from './runs/runs.ts';
import { createSources } from './runs/sources.ts';
import { runStore } from './runs/store.pg.ts';
import { createPoll, type Poll } from './triggers/poll.ts';

export interface Pipeline {
  readonly repositories: RepositoryVerbs;
  readonly runs: RunVerbs;
  /** The agent's side: leases and the ends of builds. */
  readonly jobs: JobVerbs;
  readonly steps: StepVerbs;
  readonly logs: LogReader;
  readonly poll: Poll;
  /** How long a lease holds without a heartbeat. */
  readonly leaseSeconds: number;
  /** The source archive of a leased run: bytes with the digest that the job grant names. */
  source(claim: LeaseClaim): Promise<Uint8Array>;
}

/**
 * Repositories, runs and the builds of runs. All state is in the database; files (mirrors, sources, logs) are either
 * remade or named by digest. Registers its handlers with `jobs`; nothing runs before `jobs.start()`.
 */
export function createPipeline(deps: PipelineDeps): Pipeline {
  const { db, clock, ids, directory, maxAttempts = 3, leaseSeconds = 30 } = deps;
  const mirrors = createMirrors(join(directory, 'git'));
  const sources = createSources({
    directory: join(directory, 'sources'),
    db,
    mirrors,
    repositories: repositoryStore,
  });
  const all = {
    ...deps,
    leaseSeconds,
    store: runStore,
    repositories: repositoryStore,
    mirrors,
    logs: createLogs(join(directory, 'logs')),
    prepare: { clock, ids, sources, maxAttempts },
  };
  const repositories = createRepositoryVerbs(all);
  const runs = createRunVerbs(all, repositories);
  const jobs = createJobVerbs(all);
  const poll = createPoll(all);

  deps.jobs.handle(pollQueue, async (id) => {
    await poll.repository(id);
  });
  deps.jobs.every('pipeline.poll', 2, () => poll.due());
  deps.jobs.every('pipeline.reclaim', 2, async () => {
    await jobs.reclaim();
  });

  return {
    repositories,
    runs,
    jobs,
    steps: createStepVerbs(all),
    logs: createLogReader(all),
    poll,
    leaseSeconds,
    source: async (claim) => sources.read(await db.write((tx) => lockLeased(runStore, tx, claim))),
  };
}

/** What `ledger verify` compares with the ledger. */
export function pipelineAudited(): AuditedTable[] {
  return [
    {
      kind: 'run',
      states: async (tx) => (await runStore.all(tx)).map((run) => [runResource(run), runState(run)] as const),
    },
    {
      kind: 'repository',
      states: async (tx) =>
        (await repositoryStore.list(tx)).map(
          (each) => [repositoryResource(each), repositoryState(each)] as const,
        ),
    },
  ];
}
