import type { SealedRecord } from '#keyring';
import type { Tx } from '#platform';
import type { SecretAddress } from '../address.ts';

export interface OldVersion {
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly values: ReadonlyArray<{ readonly key: string; readonly record: SealedRecord }>;
}

/**
 * The tables in which values were kept before they moved. In every transaction one process at a time is here, and
 * tables that are gone are empty.
 */
export interface OldStore {
  addresses(tx: Tx): Promise<readonly SecretAddress[]>;
  /** From version 1 on; none when another process has moved it. */
  versions(tx: Tx, address: SecretAddress): Promise<readonly OldVersion[]>;
  remove(tx: Tx, address: SecretAddress): Promise<void>;
  /** Drops the tables if nothing is left in them. */
  dropWhenEmpty(tx: Tx): Promise<void>;
}
