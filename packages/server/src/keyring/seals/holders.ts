import type { SecretBytes } from '@sallyport/formats';
import type { Db } from '#platform';
import { decryptFailed } from '../faults.ts';
import type { Roots } from '../roots.ts';
import type { SealedRoot } from '../store.ts';
import type { Recovery } from './recovery.ts';
import { combine, type Split } from './shamir.ts';
import { type ShareSeal, shareSealKind } from './share-seal.ts';

/** What the people who hold shares can prove together. */
export interface Holders {
  /** How many of them there are and how many it takes, for the seal's shares or else the recovery key's. */
  splitNow(row: SealedRoot | undefined): Promise<Split | undefined>;
  /** Whether these shares are a threshold of what `splitNow` speaks of. The keyring must be open. */
  prove(shares: readonly SecretBytes[]): Promise<boolean>;
}

export function createHolders(db: Db, roots: Roots, recovery: Recovery, reader: ShareSeal): Holders {
  async function proveRecovery(shares: readonly SecretBytes[]): Promise<boolean> {
    const expected = await db.read(async (tx) => {
      const row = await recovery.find(tx);
      if (row === undefined) return undefined;
      const key = await roots.at(tx, row.rootVersion);
      if (key === undefined) throw decryptFailed();
      return recovery.open(row, { version: row.rootVersion, key });
    });
    if (expected === undefined) return false;
    const given = combine(shares);
    const proven = given.sizeBytes === expected.sizeBytes && given.equals(expected);
    given.wipe();
    expected.wipe();
    return proven;
  }

  return {
    async splitNow(row) {
      if (row?.sealKind === shareSealKind) return reader.splitOf(row.sealed);
      const kept = row && (await db.read((tx) => recovery.find(tx)));
      return kept && { shares: kept.shares, threshold: kept.threshold };
    },
    async prove(shares) {
      const row = await roots.find();
      if (row === undefined) return false;
      if (row.sealKind !== shareSealKind) return proveRecovery(shares);
      const key = reader.recover(row.sealed, shares);
      key?.wipe();
      return key !== undefined;
    },
  };
}
