import type { Tx } from '#platform';
import type { FederationRule } from './rule.ts';

/** Federation rules. All functions run in the caller's transaction and are as durable as it is. */
export interface FederationStore {
  /** In the order of their names; at most `maxRules` exist. */
  list(tx: Tx): Promise<readonly FederationRule[]>;
  find(tx: Tx, name: string): Promise<FederationRule | undefined>;
  /** Adding and removing wait for each other, so that what was checked about all rules stays true. */
  lock(tx: Tx): Promise<void>;
  insert(tx: Tx, rule: FederationRule, createdAt: Date): Promise<void>;
  remove(tx: Tx, name: string): Promise<void>;
}

export const maxRules = 1000;
