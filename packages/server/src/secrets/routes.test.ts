import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Fault, toBase64, utf8 } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyring, fileSeal, type Keyring, keyringMigrations } from '#keyring';
import { createHttp, type HttpServer } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import {
  countingIds,
  fixedClock,
  person,
  recordingAudit,
  seededRandom,
  silentLog,
} from '../../test-support/fakes.ts';
import { createSecrets, secretsMigrations, secretsRoutes } from './index.ts';

let test: TestDb;
let directory: string;
let keyring: Keyring;
let http: HttpServer;
let url: string;
const asked: string[] = [];

beforeAll(async () => {
  test = await openTestDb([...keyringMigrations, ...secretsMigrations]);
  directory = await mkdtemp(join(tmpdir(), 'sallyport-secrets-'));
  const [audit, clock, ids] = [recordingAudit(), fixedClock(), countingIds()];
  const seal = fileSeal(join(directory, 'root.key'), seededRandom(2));
  keyring = createKeyring({ db: test.db, audit, clock, random: seededRandom(), ids, seal, log: silentLog });
  await keyring.open();
  http = await createHttp({
    authenticate: async (token) => person(token),
    authorize: async (_actor, capability, path) => {
      asked.push(`${capability} ${path}`);
      if (path.startsWith('secrets/shop/prod')) throw new Fault('denied', 'identity.denied', 'no');
    },
    log: silentLog,
    ids,
    config: { host: '127.0.0.1', port: 0, version: 'test', graceSeconds: 1, maxConnections: 100 },
    health: {},
  });
  secretsRoutes(createSecrets({ db: test.db, audit, clock, ids, keyring }))(http);
  url = (await http.listen()).url;
});
afterAll(async () => {
  await http.stop();
  await keyring.close();
  await test.close();
  await rm(directory, { recursive: true });
});

async function call(method: string, path: string, body?: object) {
  const response = await fetch(`${url}/api/secrets/${path}`, {
    method,
    headers: {
      authorization: 'Bearer ann',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    json: JSON.parse(text),
    cache: response.headers.get('cache-control'),
  };
}

const base64 = (text: string): string => toBase64(utf8(text));

describe('/api/secrets', () => {
  it('keeps versions and gives them back, uncached', async () => {
    const put = (value: string, more: object = {}) =>
      call('PUT', 'shop/dev/data/orders/db', { data: { password: base64(value) }, ...more });
    expect((await put('one')).json).toEqual({ version: 1 });
    expect((await put('two', { cas: 1 })).json).toEqual({ version: 2 });
    expect((await put('three', { cas: 1 })).status).toBe(409);

    const got = await call('GET', 'shop/dev/data/orders/db');
    expect(got.json).toEqual({ version: 2, data: { password: base64('two') } });
    expect(got.cache).toBe('no-store');
    expect((await call('GET', 'shop/dev/data/orders/db?version=1')).json.data).toEqual({
      password: base64('one'),
    });
    expect((await call('GET', 'shop/dev/versions/orders/db')).json.versions).toHaveLength(2);
    expect((await call('GET', 'shop/dev?prefix=orders/')).json).toEqual({
      secrets: [{ path: 'orders/db', version: 2 }],
    });
    expect((await call('GET', 'shop/dev/data/orders/none')).status).toBe(404);
  });

  it('asks for permission on the very path it then uses', async () => {
    asked.length = 0;
    for (const [method, path] of [
      ['GET', 'shop/prod/data/orders/db'],
      ['GET', 'shop/prod/versions/orders/db'],
      ['GET', 'shop/prod'],
      ['PUT', 'shop/prod/data/orders/db'],
    ] as const)
      expect((await call(method, path, method === 'PUT' ? { data: {} } : undefined)).status).toBe(403);

    expect(asked).toEqual([
      'read secrets/shop/prod/orders/db',
      'list secrets/shop/prod/orders/db',
      'list secrets/shop/prod',
      'update secrets/shop/prod/orders/db',
    ]);
  });

  it('refuses what it cannot take exactly', async () => {
    const put = (data: unknown, path = 'shop/dev/data/x') => call('PUT', path, { data });

    for (const data of [
      {},
      { 'a/b': base64('x') },
      { k: 'not base64!' },
      { k: 'QQ' },
      { k: 'QR==' },
      { k: 7 },
      'x',
    ])
      expect((await put(data)).status, JSON.stringify(data)).toBe(400);
    for (const path of [
      'shop/dev/data/a%2f%2e%2e%2fb',
      'shop/dev/data/',
      'shop/dev/data/a//b',
      'Shop/dev/data/a',
    ])
      expect([400, 404], path).toContain((await put({ k: base64('v') }, path)).status);
  });
});
