import type { Tx } from '#platform';
import type { Run, StepRecord } from './run.ts';

export interface RunQuery {
  readonly project: string;
  readonly repository?: string;
  readonly state?: string;
  /** Runs older than this one. */
  readonly before?: string;
  readonly limit: number;
}

/** Rows of runs and steps. Every call is part of the caller's transaction. */
export interface RunStore {
  insert(tx: Tx, run: Run): Promise<void>;
  find(tx: Tx, id: string): Promise<Run | undefined>;
  /** The same, and nobody else changes it until the transaction ends. */
  lock(tx: Tx, id: string): Promise<Run | undefined>;
  /** The run that waits longest, locked; runs that another transaction is taking are passed over. */
  lockNextQueued(tx: Tx): Promise<Run | undefined>;
  /** Replaces what changes in the life of a run: state, attempt, reason, agent, lease, report, updatedAt. */
  replace(tx: Tx, run: Run): Promise<void>;
  list(tx: Tx, query: RunQuery): Promise<Run[]>;
  listExpired(tx: Tx, now: Date, limit: number): Promise<string[]>;
  listBuildingOf(tx: Tx, agentId: string): Promise<string[]>;
  listInState(tx: Tx, states: readonly string[]): Promise<string[]>;
  all(tx: Tx): Promise<Run[]>;

  insertSteps(tx: Tx, steps: readonly StepRecord[]): Promise<void>;
  /** Steps of one attempt in order; of all attempts when none is given. */
  steps(tx: Tx, runId: string, attempt?: number): Promise<StepRecord[]>;
  replaceStep(tx: Tx, step: StepRecord): Promise<void>;
}
