import type { HeldRecord, RewrappedKey, SealedRecord } from '#keyring';
import type { Tx } from '#platform';
import type { SecretAddress } from './address.ts';

export interface SecretVersion {
  readonly version: number;
  readonly createdBy: string;
  readonly createdAt: Date;
  /** Sorted. */
  readonly keys: readonly string[];
}

export interface StoredValue {
  readonly id: string;
  readonly key: string;
  readonly record: SealedRecord;
}

/** Versions are only added; a value's row changes only when a rewrap replaces its wrapped key. */
export interface SecretStore {
  /** Creates the secret if needed and holds its row until the transaction ends; its current version, 0 when new. */
  lock(tx: Tx, address: SecretAddress): Promise<number>;
  addVersion(
    tx: Tx,
    address: SecretAddress,
    version: { readonly version: number; readonly createdBy: string; readonly createdAt: Date },
    values: readonly StoredValue[],
  ): Promise<void>;
  currentVersion(tx: Tx, address: SecretAddress): Promise<number | undefined>;
  values(tx: Tx, address: SecretAddress, version: number): Promise<StoredValue[]>;
  versions(tx: Tx, address: SecretAddress): Promise<SecretVersion[]>;
  /** Paths of a mount that start with `prefix`, in the order of their bytes. */
  list(
    tx: Tx,
    mount: { readonly project: string; readonly environment: string },
    prefix: string,
  ): Promise<ReadonlyArray<{ readonly path: string; readonly version: number }>>;
  /** Every version of every secret with its keys. */
  listAll(tx: Tx): Promise<ReadonlyArray<SecretAddress & { readonly versions: readonly SecretVersion[] }>>;

  listOlderThan(
    tx: Tx,
    mount: { readonly project: string; readonly environment: string },
    keyVersion: number,
    limit: number,
  ): Promise<HeldRecord[]>;
  replaceKey(tx: Tx, id: string, wrapped: RewrappedKey): Promise<void>;
}
