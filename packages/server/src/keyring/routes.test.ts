import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fault, SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttp, type HttpServer } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import {
  countingIds,
  fixedClock,
  person,
  type RecordingAudit,
  recordingAudit,
  seededRandom,
  silentLog,
} from '../../test-support/fakes.ts';
import { createKeyring, fileSeal, type Keyring, keyringMigrations, keyringRoutes } from './index.ts';

let test: TestDb;
let directory: string;
let audit: RecordingAudit;
let keyring: Keyring;
let http: HttpServer;
let url: string;
const asked: string[] = [];

beforeAll(async () => {
  test = await openTestDb([...keyringMigrations]);
  directory = await mkdtemp(join(tmpdir(), 'sallyport-keyring-'));
  audit = recordingAudit();
  const ids = countingIds();
  const seal = fileSeal(join(directory, 'root.key'), seededRandom(2));
  keyring = createKeyring({
    db: test.db,
    audit,
    clock: fixedClock(),
    random: seededRandom(),
    ids,
    seal,
    log: silentLog,
  });
  await keyring.open();
  http = await createHttp({
    authenticate: async (token) => person(token),
    authorize: async (_actor, capability, path) => {
      asked.push(`${capability} ${path}`);
      if (path.endsWith('/prod')) throw new Fault('denied', 'identity.denied', 'no');
    },
    log: silentLog,
    ids,
    config: { host: '127.0.0.1', port: 0, version: 'test', graceSeconds: 1, maxConnections: 100 },
    health: {},
  });
  keyringRoutes(keyring)(http);
  url = (await http.listen()).url;
});
afterAll(async () => {
  await http.stop();
  await keyring.close();
  await test.close();
  await rm(directory, { recursive: true });
});

async function rotate(what: string): Promise<{ status: number; json: unknown }> {
  const response = await fetch(`${url}/api/keyring/${what}/rotate`, {
    method: 'POST',
    headers: { authorization: 'Bearer ann' },
  });
  return { status: response.status, json: await response.json() };
}

describe('POST /api/keyring/…/rotate', () => {
  it('makes a new key for an environment, under which what was encrypted before still opens', async () => {
    const scope = 'env:shop/dev';
    const record = await test.db.write((tx) =>
      keyring.encrypt(tx, scope, 'x', SecretBytes.fromUtf8('value')),
    );

    expect(await rotate('environments/shop/dev')).toEqual({ status: 200, json: { version: 2 } });

    const opened = await test.db.write((tx) => keyring.decrypt(tx, scope, 'x', record));
    expect(opened.exposeUtf8()).toBe('value');
    expect(audit.events.some((event) => event.resource === 'kek/env:shop/dev/2')).toBe(true);
  });

  it('asks for each scope by a path of its own', async () => {
    asked.length = 0;

    expect((await rotate('environments/shop/prod')).status).toBe(403);
    await rotate('system');
    expect((await rotate('root')).json).toEqual({ version: 2 });

    expect(asked).toEqual([
      'update keyring/environments/shop/prod',
      'update keyring/system',
      'update keyring/root',
    ]);
  });

  it('does not make a first key for an environment that has no secrets', async () => {
    expect(await rotate('environments/shop/nowhere')).toMatchObject({
      status: 404,
      json: { code: 'keyring.no_key' },
    });
  });

  it.each(['environments/shop', 'environments/Shop/dev', 'environments/shop/dev%2Fx', 'env:shop/dev'])(
    'knows no scope %s',
    async (scope) => {
      expect((await rotate(scope)).status).toBeGreaterThanOrEqual(400);
    },
  );
});
