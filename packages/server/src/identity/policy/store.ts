import type { Tx } from '#platform';
import type { Rule } from './rules.ts';

export interface StoredPolicy {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** Policies written by administrators; the built-in ones are never stored. */
export interface PolicyStore {
  put(tx: Tx, policy: StoredPolicy, at: Date): Promise<void>;
  /** Whether there was one. */
  remove(tx: Tx, name: string): Promise<boolean>;
  /** Those of `names` that exist. */
  findAll(tx: Tx, names: readonly string[]): Promise<StoredPolicy[]>;
  list(tx: Tx): Promise<StoredPolicy[]>;
}
