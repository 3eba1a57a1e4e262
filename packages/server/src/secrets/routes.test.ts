import { Fault, toBase64, utf8 } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttp, type HttpServer } from '#platform';
import { person, silentLog } from '../../test-support/fakes.ts';
import { secretsRoutes } from './index.ts';
import { openSecrets, type SecretsFixture } from './secrets.fixture.ts';

let open: SecretsFixture;
let http: HttpServer;
let url: string;
const asked: string[] = [];

beforeAll(async () => {
  open = await openSecrets();
  const signedInUntil = new Date(open.clock.now().getTime() + 60_000);
  http = await createHttp({
    authenticate: async (token) => person(token, { signedInUntil }),
    authorize: async (_actor, capability, path) => {
      asked.push(`${capability} ${path}`);
      if (path.startsWith('secrets/shop/prod')) throw new Fault('denied', 'identity.denied', 'no');
    },
    log: silentLog,
    ids: open.deps.ids,
    config: { host: '127.0.0.1', port: 0, version: 'test', graceSeconds: 1, maxConnections: 100 },
    health: {},
  });
  secretsRoutes(open.secrets)(http);
  url = (await http.listen()).url;
});
afterAll(async () => {
  await http.stop();
  await open.close();
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

  it('hands out tokens for Vault’s interface, uncached and within bounds', async () => {
    const got = await call('POST', 'token', { ttlSeconds: 30 });

    expect([got.status, got.cache]).toEqual([200, 'no-store']);
    expect(got.json).toEqual({
      token: expect.stringMatching(/^hvs\./),
      accessor: expect.any(String),
      policies: ['default', 'sallyport-psn_ann'],
      expiresAt: new Date(open.clock.now().getTime() + 30_000).toISOString(),
    });
    for (const body of [
      { ttlSeconds: 0 },
      { ttlSeconds: 3601 },
      { environment: 'prod' },
      { policies: ['root'] },
    ])
      expect((await call('POST', 'token', body)).status, JSON.stringify(body)).toBe(400);
  });
});
