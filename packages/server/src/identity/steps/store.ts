import type { Tx } from '#platform';

export interface StepToken {
  readonly id: string;
  readonly runId: string;
  readonly step: string;
  readonly subject: string;
  readonly audience: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
  readonly endedAt: Date | undefined;
}

/** Identity tokens of steps. The token itself is not stored, only that it was issued and whether its step has ended. */
export interface StepTokenStore {
  insert(tx: Tx, token: StepToken): Promise<void>;
  find(tx: Tx, id: string): Promise<StepToken | undefined>;
  /** Ends the open tokens of a run, or of one of its steps, and gives them as they are now. */
  end(tx: Tx, runId: string, step: string | undefined, at: Date): Promise<StepToken[]>;
  list(tx: Tx): Promise<StepToken[]>;
}
