import type { Definition, JobReport, StepReport } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import type { Selectable } from 'kysely';
import { tablesOf } from '#platform';
import { type CommitFacts, type Run, type Signatures, type StepRecord, stepStatuses } from './run.ts';
import { toRunState } from './states.ts';
import type { RunStore } from './store.ts';

interface RunRow {
  id: string;
  project: string;
  service: string;
  repository_id: string;
  repository: string;
  trigger: string;
  started_by: string;
  ref: string;
  commit_id: string;
  commit_facts: string;
  trust: string;
  definition: string | null;
  definition_digest: string | null;
  definition_commit: string | null;
  signature: string;
  source_digest: string | null;
  state: string;
  attempt: number;
  max_attempts: number;
  reason: string | null;
  agent_id: string | null;
  lease_hash: Uint8Array | null;
  lease_expires: Date | null;
  report: string | null;
  image_digest: string | null;
  created_at: Date;
  updated_at: Date;
}

interface StepRow {
  run_id: string;
  attempt: number;
  name: string;
  phase: string;
  ordinal: number;
  status: string;
  has_effects: boolean;
  granted_at: Date | null;
  finished_at: Date | null;
  report: string | null;
  log_digest: string | null;
  log_bytes: number | null;
  log_truncated: boolean | null;
  secrets: string;
}

interface Tables {
  pipeline_runs: RunRow;
  pipeline_steps: StepRow;
}

export const runStore: RunStore = {
  async insert(tx, run) {
    const row = {
      id: run.id,
      project: run.project,
      service: run.service,
      repository_id: run.repositoryId,
      repository: run.repository,
      trigger: run.trigger,
      started_by: run.startedBy,
      ref: run.ref,
      commit_id: run.commit,
      commit_facts: JSON.stringify(run.facts),
      trust: run.trust,
      definition: run.definition === undefined ? null : JSON.stringify(run.definition),
      definition_digest: run.definitionDigest ?? null,
      definition_commit: run.definitionCommit ?? null,
      signature: JSON.stringify(run.signatures),
      source_digest: run.sourceDigest ?? null,
      created_at: run.createdAt,
      ...changeable(run),
    };
    await tablesOf<Tables>(tx).insertInto('pipeline_runs').values(row).execute();
  },

  async find(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('pipeline_runs')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toRun(row);
  },

  async lock(tx, id) {
    const query = tablesOf<Tables>(tx).selectFrom('pipeline_runs').selectAll().where('id', '=', id);
    const row = await query.forUpdate().executeTakeFirst();
    return row && toRun(row);
  },

  async lockNextQueued(tx) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('pipeline_runs')
      .selectAll()
      .where('state', '=', 'queued')
      .orderBy('created_at')
      .orderBy('id')
      .limit(1)
      .forUpdate()
      .skipLocked()
      .executeTakeFirst();
    return row && toRun(row);
  },

  async replace(tx, run) {
    await tablesOf<Tables>(tx)
      .updateTable('pipeline_runs')
      .set(changeable(run))
      .where('id', '=', run.id)
      .execute();
  },

  async list(tx, { project, repository, state, before, limit }) {
    let query = tablesOf<Tables>(tx).selectFrom('pipeline_runs').selectAll().where('project', '=', project);
    if (repository !== undefined) query = query.where('repository', '=', repository);
    if (state !== undefined) query = query.where('state', '=', state);
    // Ids sort by time (UUID version 7), so they are the cursor too.
    if (before !== undefined) query = query.where('id', '<', before);
    return (await query.orderBy('id', 'desc').limit(limit).execute()).map(toRun);
  },

  async listExpired(tx, now, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('pipeline_runs')
      .select('id')
      .where('state', '=', 'building')
      .where('lease_expires', '<', now)
      .orderBy('lease_expires')
      .limit(limit)
      .execute();
    return rows.map(({ id }) => id);
  },

  async listBuildingOf(tx, agentId) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('pipeline_runs')
      .select('id')
      .where('state', '=', 'building')
      .where('agent_id', '=', agentId)
      .orderBy('id')
      .execute();
    return rows.map(({ id }) => id);
  },

  async listInState(tx, states) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('pipeline_runs')
      .select('id')
      .where('state', 'in', [...states])
      .orderBy('id')
      .execute();
    return rows.map(({ id }) => id);
  },

  async all(tx) {
    return (await tablesOf<Tables>(tx).selectFrom('pipeline_runs').selectAll().orderBy('id').execute()).map(
      toRun,
    );
  },

  async insertSteps(tx, steps) {
    if (steps.length > 0)
      await tablesOf<Tables>(tx).insertInto('pipeline_steps').values(steps.map(fromStep)).execute();
  },

  async steps(tx, runId, attempt) {
    let query = tablesOf<Tables>(tx).selectFrom('pipeline_steps').selectAll().where('run_id', '=', runId);
    if (attempt !== undefined) query = query.where('attempt', '=', attempt);
    return (await query.orderBy('attempt').orderBy('ordinal').execute()).map(toStep);
  },

  async replaceStep(tx, step) {
    await tablesOf<Tables>(tx)
      .updateTable('pipeline_steps')
      .set(fromStep(step))
      .where('run_id', '=', step.runId)
      .where('attempt', '=', step.attempt)
      .where('name', '=', step.name)
      .execute();
  },
};

function changeable(run: Run) {
  return {
    state: run.state,
    attempt: run.attempt,
    max_attempts: run.maxAttempts,
    reason: run.reason ?? null,
    agent_id: run.agentId ?? null,
    lease_hash: run.lease?.hash ?? null,
    lease_expires: run.lease?.expiresAt ?? null,
    report: run.report === undefined ? null : JSON.stringify(run.report),
    image_digest: run.report?.image?.digest ?? null,
    updated_at: run.updatedAt,
  };
}

function toRun(row: Selectable<RunRow>): Run {
  return {
    id: row.id,
    project: row.project,
    service: row.service,
    repositoryId: row.repository_id,
    repository: row.repository,
    trigger: oneOf(['push', 'tag', 'pull_request', 'manual'], row.trigger),
    startedBy: row.started_by,
    ref: row.ref,
    commit: row.commit_id,
    facts: parsed<CommitFacts>(row.commit_facts),
    trust: oneOf(['trusted', 'untrusted'], row.trust),
    signatures: parsed<Signatures>(row.signature),
    state: toRunState(row.state),
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    ...(row.definition === null ? {} : { definition: parsed<Definition>(row.definition) }),
    ...(row.definition_digest === null ? {} : { definitionDigest: row.definition_digest }),
    ...(row.definition_commit === null ? {} : { definitionCommit: row.definition_commit }),
    ...(row.source_digest === null ? {} : { sourceDigest: row.source_digest }),
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.agent_id === null ? {} : { agentId: row.agent_id }),
    ...(row.lease_hash === null || row.lease_expires === null
      ? {}
      : { lease: { hash: row.lease_hash, expiresAt: row.lease_expires } }),
    ...(row.report === null ? {} : { report: parsed<JobReport>(row.report) }),
  };
}

function fromStep(step: StepRecord): StepRow {
  return {
    run_id: step.runId,
    attempt: step.attempt,
    name: step.name,
    phase: step.phase,
    ordinal: step.ordinal,
    status: step.status,
    has_effects: step.hasEffects,
    granted_at: step.grantedAt ?? null,
    finished_at: step.finishedAt ?? null,
    report: step.report === undefined ? null : JSON.stringify(step.report),
    log_digest: step.log?.digest ?? null,
    log_bytes: step.log?.sizeBytes ?? null,
    log_truncated: step.log?.truncated ?? null,
    secrets: JSON.stringify(step.secrets),
  };
}

function toStep(row: Selectable<StepRow>): StepRecord {
  return {
    runId: row.run_id,
    attempt: row.attempt,
    name: row.name,
    phase: oneOf(['build', 'verify'], row.phase),
    ordinal: row.ordinal,
    status: oneOf(stepStatuses, row.status),
    hasEffects: row.has_effects,
    secrets: parsed<StepRecord['secrets']>(row.secrets),
    ...(row.granted_at === null ? {} : { grantedAt: row.granted_at }),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    ...(row.report === null ? {} : { report: parsed<StepReport>(row.report) }),
    ...(row.log_digest === null || row.log_bytes === null
      ? {}
      : { log: { digest: row.log_digest, sizeBytes: row.log_bytes, truncated: row.log_truncated === true } }),
  };
}

// Written by `insert` and `replace` from a value of this type; nothing else writes these columns.
const parsed = <T>(text: string): T => JSON.parse(text) as T;

function oneOf<const T extends string>(known: readonly T[], text: string): T {
  const found = known.find((each) => each === text);
  if (found !== undefined) return found;
  throw new Fault(
    'integrity',
    'pipeline.bad_row',
    `expected one of ${known.join(', ')} in the database, got "${text}"`,
  );
}
