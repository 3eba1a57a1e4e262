import type { SecretBytes } from '@sallyport/formats';
import type { Identity } from '#identity';
import type { Actor, Audit, Clock, Db, Ids, Jobs, Log, Random, Tx } from '#platform';

/** What the pipeline asks of secrets: its part of the door of that context. */
export interface StepSecrets {
  put(
    actor: Actor,
    secret: {
      readonly project: string;
      readonly environment: string;
      readonly path: string;
      readonly data: Readonly<Record<string, SecretBytes>>;
    },
  ): Promise<{ readonly version: number }>;
  get(
    actor: Actor,
    secret: { readonly project: string; readonly environment: string; readonly path: string },
  ): Promise<{ readonly version: number; readonly data: Readonly<Record<string, SecretBytes>> }>;
  grant(
    tx: Tx,
    grant: {
      readonly holder: string;
      readonly project: string;
      readonly environment: string;
      readonly wants: readonly SecretWant[];
      readonly expiresAt: Date;
    },
  ): Promise<string>;
  redeem(grantId: string, holder: string): Promise<readonly RedeemedSecret[]>;
  endGrants(tx: Tx, holder: string): Promise<void>;
}

export interface SecretWant {
  readonly name: string;
  readonly ref: string;
  readonly delivery: 'env' | 'file';
}

export interface RedeemedSecret {
  readonly name: string;
  readonly delivery: 'env' | 'file';
  readonly value: SecretBytes;
  readonly path: string;
  readonly version: number;
}

export interface PipelineDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly random: Random;
  readonly jobs: Jobs;
  readonly log: Log;
  readonly identity: Pick<Identity, 'issueStepToken' | 'endStepTokens'>;
  readonly secrets: StepSecrets;
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
/** Where the secrets of steps and of webhooks live; no environment can have these names. */
export const stepMount = 'build';
export const webhookMount = 'webhooks';
