import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttp, type HttpServer } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import {
  countingIds,
  fixedClock,
  recordingAudit,
  seededRandom,
  silentLog,
} from '../../test-support/fakes.ts';
import { createIdentity, type Identity, identityMigrations, identityRoutes } from './index.ts';
import { testSigner } from './steps/signer.fixture.ts';

let test: TestDb;
let identity: Identity;
let http: HttpServer;
let url: string;
let admin: string;

beforeAll(async () => {
  test = await openTestDb(identityMigrations);
  const ids = countingIds();
  identity = createIdentity({
    db: test.db,
    audit: recordingAudit(),
    clock: fixedClock(),
    random: seededRandom(),
    ids,
    oidcSigner: testSigner('key-1'),
    issuer: 'https://sallyport.test',
  });
  http = await createHttp({
    authenticate: identity.authenticate,
    authorize: identity.authorize,
    log: silentLog,
    ids,
    config: { host: '127.0.0.1', port: 0, version: 'test', graceSeconds: 1, maxConnections: 100 },
    health: {},
  });
  identityRoutes(identity)(http);
  url = (await http.listen()).url;
  const token = (await identity.bootstrap())?.exposeUtf8();
  const login = await call('POST', '/api/identity/login', { token, name: 'Ann', email: 'ann@example.org' });
  expect(login.status).toBe(200);
  admin = login.json.issued.token;
});
afterAll(async () => {
  await http.stop();
  await test.close();
});

async function call(method: string, path: string, body?: object, token?: string) {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, json: text === '' ? undefined : JSON.parse(text) };
}

describe('/api/identity', () => {
  it('has exactly these public routes', () => {
    const open = http.declared.filter((route) => route.access.kind === 'public').map((route) => route.path);

    expect(open.filter((path) => !['/api/openapi.json', '/api/health'].includes(path)).sort()).toEqual([
      '/.well-known/jwks.json',
      '/.well-known/openid-configuration',
      '/api/identity/login',
    ]);
  });

  it('refuses a second exchange and any other text the same way', async () => {
    for (const token of [admin, 'sp_x', '', `sp_${'A'.repeat(43)}`]) {
      const again = await call('POST', '/api/identity/login', {
        token,
        name: 'Eve',
        email: 'eve@example.org',
      });
      expect([again.status, again.json.code]).toEqual([401, 'identity.token_refused']);
    }
  });

  it('takes an agent from creation to revocation, showing its token once', async () => {
    const agent = await call(
      'POST',
      '/api/identity/workloads',
      { kind: 'agent', name: 'one', policies: ['agent'] },
      admin,
    );
    expect(agent.status).toBe(201);
    const { id } = agent.json;
    const made = await call('POST', `/api/identity/principals/${id}/tokens`, { ttlSeconds: 60 }, admin);
    expect(made.status).toBe(201);

    const me = await call('GET', '/api/identity/me', undefined, made.json.token);
    expect(me.json).toMatchObject({ kind: 'agent', id, name: 'one', policies: ['agent'] });
    const list = await call('GET', `/api/identity/principals/${id}/tokens`, undefined, admin);
    expect(list.json.tokens).toHaveLength(1);
    expect(list.text).not.toContain(made.json.token);
    expect(list.text).not.toContain('hash');
    const denied = await call('GET', '/api/identity/principals', undefined, made.json.token);
    expect([denied.status, denied.json.code]).toEqual([403, 'identity.denied']);
    const revoked = await call('DELETE', `/api/identity/tokens/${made.json.accessor}`, undefined, admin);
    expect(revoked.status).toBe(204);
    expect((await call('GET', '/api/identity/me', undefined, made.json.token)).status).toBe(401);
  });

  it('keeps policies for administrators and names what is wrong with a rule', async () => {
    const good = { rules: [{ path: 'projects/+/runs/*', capabilities: ['read', 'list'] }] };
    expect((await call('PUT', '/api/identity/policies/reader', good, admin)).status).toBe(200);
    expect((await call('GET', '/api/identity/policies', undefined, admin)).json.policies).toHaveLength(3);

    const bad = await call(
      'PUT',
      '/api/identity/policies/reader',
      { rules: [{ path: 'a/*/b', capabilities: ['read'] }] },
      admin,
    );
    expect([bad.status, bad.json.code]).toEqual([400, 'identity.policy_invalid']);
    expect(bad.json.detail).toContain('"*"');
    expect((await call('DELETE', '/api/identity/policies/admin', undefined, admin)).status).toBe(409);
    expect((await call('DELETE', '/api/identity/policies/reader', undefined, admin)).status).toBe(204);
  });

  it('adds and changes people', async () => {
    const made = await call(
      'POST',
      '/api/identity/persons',
      { name: 'Bob', emails: ['bob@example.org'], groups: ['release'] },
      admin,
    );
    expect(made.status).toBe(201);
    const changed = await call(
      'PATCH',
      `/api/identity/principals/${made.json.id}`,
      { disabled: true },
      admin,
    );
    expect(changed.json).toMatchObject({ disabled: true, groups: ['release'] });
    expect(
      (await call('GET', `/api/identity/principals/${made.json.id}`, undefined, admin)).json.disabled,
    ).toBe(true);
    expect((await call('GET', '/api/identity/principals/psn_none', undefined, admin)).status).toBe(404);
    expect(
      (await call('POST', '/api/identity/persons', { name: 'X', emails: [], admin: true }, admin)).status,
    ).toBe(400);
  });

  it('publishes the issuer to everybody', async () => {
    expect((await call('GET', '/.well-known/openid-configuration')).json.issuer).toBe(
      'https://sallyport.test',
    );
    expect((await call('GET', '/.well-known/jwks.json')).json.keys[0]).toMatchObject({
      kty: 'EC',
      crv: 'P-256',
      kid: 'key-1',
    });
  });
});
