import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJournal, type Journal, journalMigrations } from '#journal';
import { createKeyring, fileSeal, type Keyring, keyringMigrations } from '#keyring';
import { createAudit, ledgerMigrations } from '#ledger';
import { createIds, createListener, systemClock, systemRandom } from '#platform';
import { vaultMigrations } from '#vault';
import type { AuditSettings } from '../src/vault/audit/settings.ts';
import type { Backend } from '../src/vault/backend.ts';
import { createEngines } from '../src/vault/engines.ts';
import { createHandler } from '../src/vault/http/handler.ts';
import { newMount } from '../src/vault/mounts/new-mount.ts';
import { mountsOf, writeMounts } from '../src/vault/mounts/table.ts';
import type { Sys } from '../src/vault/sys/ports.ts';
import type { SealControl } from '../src/vault/sys/sealed.ts';
import { openVault as openServed, type Vault } from '../src/vault/vault.ts';
import { openTestDb, type TestDb } from './database.ts';
import { type FixedClock, silentLog } from './fakes.ts';

export interface TestVault {
  readonly vault: Vault;
  readonly journal: Journal;
  readonly keyring: Keyring;
  readonly testDb: TestDb;
  readonly clock: FixedClock;
  readonly rootToken: string;
  readonly address: string;
  /** Where the journal keeps its files. */
  readonly directory: string;
  /** A request over a real socket. `LIST` is sent as `GET` with `?list=true`. */
  request(method: string, path: string, options?: TestRequest): Promise<TestAnswer>;
  close(): Promise<void>;
}

export interface TestRequest {
  /** The root token when absent; null for none. */
  readonly token?: string | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
  readonly text: string;
}

/** A vault on a database of its own, with `secret/` (versioned) and `kv1/` mounted in `default/default`. */
export async function openVault(
  options: {
    readonly secret?: readonly Backend[];
    readonly auth?: readonly Backend[];
    readonly sys?: Sys;
    readonly control?: SealControl;
    readonly audit?: Partial<AuditSettings>;
  } = {},
): Promise<TestVault> {
  const testDb = await openTestDb([
    ...keyringMigrations,
    ...ledgerMigrations,
    ...journalMigrations,
    ...vaultMigrations,
  ]);
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-vault-'));
  const clock = runningClock();
  const [db, random] = [testDb.db, systemRandom];
  const ids = createIds({ clock: systemClock, random });
  const audit = createAudit({ clock: systemClock, ids });
  const log = silentLog;
  const keyring = createKeyring({
    db,
    audit,
    clock,
    random,
    ids,
    log,
    seal: fileSeal(join(directory, 'root.key'), random),
  });
  await keyring.open();
  const journal = createJournal({
    db,
    audit,
    clock,
    log,
    directory,
    cipher: (scope) => keyring.cipher(scope),
    random,
    sealedEvents: async () => ({ events: [] }),
    alone: true,
  });
  await journal.open();
  const own = createEngines(random);
  const vault = await openServed({
    journal,
    db,
    alone: true,
    clock,
    random,
    log,
    // What a test does not use of the server as a whole, it does not give.
    sys: options.sys ?? ({} as Sys),
    audit: { ...noDevices, ...options.audit },
    engines: {
      ...own,
      secret: new Map([...own.secret, ...byType(options.secret ?? [])]),
      auth: new Map([...own.auth, ...byType(options.auth ?? [])]),
    },
  });
  await journal.run((turn) => {
    const environment = 'default/default';
    const mounts = [
      newMount({ path: 'secret/', kind: 'secret', type: 'kv', environment, options: { version: '2' } }),
      newMount({ path: 'kv1/', kind: 'secret', type: 'kv', environment, options: { version: '1' } }),
      ...(options.secret ?? [])
        .filter(({ type }) => !mountsOf(turn).mounts.some((mount) => mount.type === type))
        .map(({ type }) => newMount({ path: `${type}/`, kind: 'secret', type, environment })),
      ...(options.auth ?? []).map(({ type }) =>
        newMount({ path: `auth/${type}/`, kind: 'auth', type, environment }),
      ),
    ];
    writeMounts(turn, [...mountsOf(turn).mounts, ...mounts]);
    return { answer: undefined, audit: [] };
  });
  const rootToken = await vault.makeRootToken();
  const handler = createHandler({
    control: options.control ?? notSealable,
    pipeline: vault.pipeline,
    log,
    requestId: () => crypto.randomUUID(),
    certificateOf: () => undefined,
  });
  const listener = createListener({
    log,
    ids,
    config: { host: '127.0.0.1', port: 0, graceSeconds: 0, maxConnections: 1000 },
  });
  listener.attach({ below: '/v1/', ...handler });
  const { url: address } = await listener.listen();

  return {
    vault,
    journal,
    keyring,
    testDb,
    clock,
    rootToken,
    address,
    directory,
    async request(method, path, { token = rootToken, body, headers = {} } = {}) {
      const list = method === 'LIST';
      const url = `${address}/v1/${path}${list ? `${path.includes('?') ? '&' : '?'}list=true` : ''}`;
      const answer = await fetch(url, {
        method: list ? 'GET' : method,
        headers: { ...(token === null ? {} : { 'x-vault-token': token }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await answer.text();
      return { status: answer.status, text, body: text === '' ? undefined : safeJson(text) };
    },
    async close() {
      await listener.stop();
      await vault.close();
      await journal.close();
      await keyring.close();
      await testDb.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Audit goes to the ledger and nowhere else. */
export const noDevices: AuditSettings = {
  devices: [],
  api: { directories: [], addresses: [] },
  keyFiles: {},
  fetch,
  stdout: process.stdout,
  hostname: 'localhost',
  processId: process.pid,
};

/** What a test does not say about sealing fails when it is asked. */
const notSealable = {} as SealControl;

/**
 * A wall clock that runs at the pace of the steady one and moves further when told to: the journal takes the later of the
 * two, so one that stood still would fall behind while a test runs.
 */
function runningClock(): FixedClock {
  let offset = Date.parse('2026-01-02T03:04:05.000Z') - performance.now();
  return {
    now: () => new Date(performance.now() + offset),
    advance: (milliseconds) => {
      offset += milliseconds;
    },
    set: (time) => {
      offset = time.getTime() - performance.now();
    },
  };
}

function byType(backends: readonly Backend[]): ReadonlyArray<readonly [string, Backend]> {
  return backends.map((backend) => [backend.type, backend]);
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
