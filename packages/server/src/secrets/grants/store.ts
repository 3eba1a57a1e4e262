import type { Tx } from '#platform';

export interface GrantItem {
  readonly name: string;
  readonly path: string;
  readonly key: string;
  /** Fixed when the grant is made: which versions a step or deployment saw is known for good. */
  readonly version: number;
  readonly delivery: 'env' | 'file';
}

export interface Grant {
  readonly id: string;
  readonly holder: string;
  readonly project: string;
  readonly environment: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly endedAt: Date | undefined;
  /** Ordered by name. */
  readonly items: readonly GrantItem[];
}

/** Grants never change but for their end, which is set once. */
export interface GrantStore {
  insert(tx: Tx, grant: Grant): Promise<void>;
  find(tx: Tx, id: string): Promise<Grant | undefined>;
  /** Holds the row, so that a redemption and an end cannot pass each other. */
  findForShare(tx: Tx, id: string): Promise<Grant | undefined>;
  /** Ends the open grants of a holder; their ids. */
  end(tx: Tx, holder: string, at: Date): Promise<string[]>;
  list(tx: Tx, ids?: readonly string[]): Promise<Grant[]>;
}
