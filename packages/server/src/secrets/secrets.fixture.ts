import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import { createIdentity, type Identity, identityMigrations } from '#identity';
import { createKeyring, fileSeal, type Keyring, keyringMigrations } from '#keyring';
import type { NativeSignIn } from '#vault';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import {
  countingIds,
  type FixedClock,
  fixedClock,
  type RecordingAudit,
  recordingAudit,
  seededRandom,
  silentLog,
} from '../../test-support/fakes.ts';
import { openTestRecords, recordsMigrations, type TestRecords } from '../../test-support/records.ts';
import { createSecrets, type Secrets, type SecretsDeps, secretsMigrations } from './index.ts';

/** The native secrets on real parts: database, keyring, journal, vault, identity. Only time and ids are held. */
export interface SecretsFixture {
  readonly test: TestDb;
  readonly keyring: Keyring;
  readonly identity: Identity;
  readonly clock: FixedClock;
  readonly audit: RecordingAudit;
  readonly deps: SecretsDeps;
  readonly secrets: Secrets;
  /** A request of a Vault client. */
  ask: TestRecords['ask'];
  signIn: NativeSignIn;
  rootToken(): Promise<string>;
  /** Closes journal and vault and opens them again, as after a crash in which nothing durable was lost. */
  reopen(): Promise<{ readonly deps: SecretsDeps; readonly secrets: Secrets }>;
  /** Lines of the vault's audit, read back. */
  auditLines(): Promise<readonly AuditEntry[]>;
  close(): Promise<void>;
}

export interface AuditEntry {
  readonly type: 'request' | 'response';
  readonly auth?: {
    readonly display_name?: string;
    readonly entity_id?: string;
    readonly metadata?: Readonly<Record<string, string>>;
  };
  readonly request: { readonly operation: string; readonly path: string };
  readonly error?: string;
}

export const text = (value: string): SecretBytes => SecretBytes.fromUtf8(value);

export async function openSecrets(): Promise<SecretsFixture> {
  const test = await openTestDb([
    ...keyringMigrations,
    ...recordsMigrations,
    ...identityMigrations,
    ...secretsMigrations,
  ]);
  const { db } = test;
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-secrets-'));
  const [clock, audit, ids, random] = [fixedClock(), recordingAudit(), countingIds(), seededRandom()];
  const seal = fileSeal(join(directory, 'root.key'), seededRandom(2));
  const keyring = createKeyring({ db, audit, clock, random, ids, seal, log: silentLog });
  await keyring.open();
  const openRecords = () => openTestRecords({ db, audit, keyring, clock, directory });
  let records: TestRecords = await openRecords();
  const issuer = 'https://sallyport.test';
  const oidcSigner = await keyring.signer('oidc');
  const identity = createIdentity({ db, audit, clock, random, ids, oidcSigner, issuer });
  const depsOf = ({ vault }: TestRecords): SecretsDeps => ({
    db,
    audit,
    clock,
    ids,
    log: silentLog,
    keyring,
    identity,
    vault,
  });
  const deps = depsOf(records);
  return {
    test,
    keyring,
    identity,
    clock,
    audit,
    deps,
    secrets: createSecrets(deps),
    ask: (...parts) => records.ask(...parts),
    signIn: (...parts) => records.vault.signIn(...parts),
    rootToken: () => records.vault.makeRootToken(),
    async reopen() {
      await records.close();
      records = await openRecords();
      const again = depsOf(records);
      return { deps: again, secrets: createSecrets(again) };
    },
    async auditLines() {
      const entries: AuditEntry[] = [];
      for await (const { line } of records.journal.audit()) entries.push(JSON.parse(line.toString()));
      return entries;
    },
    async close() {
      await records.close();
      await keyring.close();
      await test.close();
      await rm(directory, { recursive: true });
    },
  };
}
