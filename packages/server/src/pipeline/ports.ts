import type { Identity } from '#identity';
import type { Audit, Clock, Db, Ids, Jobs, Log, Random } from '#platform';
import type { Secrets } from '#secrets';

export interface PipelineDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly jobs: Jobs;
  readonly log: Log;
  readonly identity: Pick<Identity, 'issueStepToken' | 'endStepTokens'>;
  readonly secrets: Pick<Secrets, 'put' | 'get' | 'pin' | 'grant' | 'redeem' | 'endGrants'>;
  /** A directory of the pipeline's own: mirrors, source archives, logs. */
  readonly directory: string;
  /** The audience of the identity tokens of steps: the address of this installation as issuer. */
  readonly audience: string;
  readonly leaseSeconds?: number;
  readonly maxAttempts?: number;
}

/** Wakes the outer journey when a run was built; the id is the run's. */
export const builtQueue = 'journey';
export const pollQueue = 'pipeline.poll';
/** Where the secrets of webhooks live, apart from those of steps; no environment can have either name. */
export const webhookMount = 'webhooks';
