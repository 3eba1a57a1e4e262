import { randomBytes } from 'node:crypto';
import { SecretBytes } from '@sallyport/formats';
import { sql } from 'kysely';
import type { Db, Random } from '#platform';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import {
  countingIds,
  fixedClock,
  inTx,
  type RecordingAudit,
  recordingAudit,
  silentLog,
} from '../../../test-support/fakes.ts';
import { createEntropy } from '../entropy.ts';
import { createKeyring, type Keyring, keyringMigrations, type Seal } from '../index.ts';
import { createShareSeal } from './share-seal.ts';

export const random: Random = { bytes: (sizeBytes) => new Uint8Array(randomBytes(sizeBytes)) };
export const admin = { kind: 'person', id: 'psn_admin' } as const;
export const scope = 'env:shop/prod';

export const shareSeal = (): Seal => createShareSeal(createEntropy(random));

/** One database that keyrings come and go on, as processes do. */
export interface Stage {
  readonly db: Db;
  readonly audit: RecordingAudit;
  clear(): Promise<void>;
  keyring(seal: Seal, previousSeal?: Seal, db?: Db): Keyring;
  execute(statement: string): Promise<unknown>;
  close(): Promise<void>;
}

export async function openStage(): Promise<Stage> {
  const test: TestDb = await openTestDb(keyringMigrations);
  const audit = recordingAudit();
  const execute = (statement: string): Promise<unknown> =>
    inTx(test.db, (tx) => sql.raw(statement).execute(tx));
  return {
    db: test.db,
    audit,
    execute,
    clear: async () => {
      await execute('truncate keyring_signers, keyring_keks, keyring_root, keyring_recovery');
      audit.clear();
    },
    keyring: (seal, previousSeal, db = test.db) =>
      createKeyring({
        db,
        audit,
        clock: fixedClock(),
        ids: countingIds(),
        random,
        seal,
        log: silentLog,
        ...(previousSeal === undefined ? {} : { previousSeal }),
      }),
    close: () => test.close(),
  };
}

/** Seals one value, to be read with `readCanary` by whatever opens the same database later. */
export async function writeCanary(keyring: Keyring): Promise<Buffer> {
  return (await keyring.cipher(scope)).seal('canary', Buffer.from('sings'));
}

export async function readCanary(keyring: Keyring, sealed: Buffer): Promise<string | undefined> {
  return (await keyring.cipher(scope)).open('canary', sealed)?.toString();
}

export async function unsealWith(keyring: Keyring, shares: readonly SecretBytes[]): Promise<boolean> {
  let open = false;
  for (const share of shares) open = await keyring.unseal(share);
  return open;
}

/** A well-formed share that belongs to nothing. */
export function strangeShare(number: number): SecretBytes {
  return SecretBytes.from(Buffer.concat([randomBytes(32), Buffer.of(number)]));
}
