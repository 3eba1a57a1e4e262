import { Fault } from '@sallyport/formats';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Actor, createHttp, type HttpServer } from '#platform';
import { countingIds, fixedClock, person, silentLog } from '../../../test-support/fakes.ts';
import { openTestRegistry, sealForTests } from '../registry.fixture.ts';
import { registryRoutes } from '../routes.ts';
import { parseScopes } from './scope.ts';
import { accessTokenSeconds, createAccessTokens } from './tokens.ts';

const clock = fixedClock();
/** Who may do what; tests take from it. */
let allowed: Set<string>;
let known: Set<string>;

async function authorize(actor: Actor, capability: string, path: string): Promise<void> {
  if (!allowed.has(`${actor.name} ${capability} ${path}`))
    throw new Fault('denied', 'identity.denied', 'the policy says something secret');
}
async function authenticate(credential: string): Promise<Actor> {
  if (!known.has(credential)) throw new Fault('unauthenticated', 'identity.token_refused', 'no');
  return person(credential);
}

let test: Awaited<ReturnType<typeof openTestRegistry>>;
let http: HttpServer;
let url: string;

beforeAll(async () => {
  test = await openTestRegistry();
  http = await createHttp({
    authenticate,
    authorize,
    log: silentLog,
    ids: countingIds(),
    config: { host: '127.0.0.1', port: 0, version: 'test', graceSeconds: 1, maxConnections: 100 },
    health: {},
  });
  const tokens = createAccessTokens({
    seal: sealForTests(),
    authenticate,
    authorize,
    clock,
    realm: 'https://sally.example.com/v2/token',
    service: 'sally',
  });
  registryRoutes(test.registry, { authorize, tokens })(http);
  url = (await http.listen()).url;
  await test.registry.putBlob('shop/app', new Uint8Array([1]));
});
afterAll(async () => {
  await http.stop();
  await test.close();
});
beforeEach(() => {
  known = new Set(['ann', 'bob']);
  allowed = new Set([
    'ann read registry/shop/app',
    'ann create registry/shop/app',
    'bob read registry/shop/app',
  ]);
});

const basic = (token: string) => ({
  authorization: `Basic ${Buffer.from(`any:${token}`).toString('base64')}`,
});
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function tokenFor(scope: string, as = 'ann'): Promise<string> {
  const query = new URLSearchParams({ service: 'sally', scope });
  const response = await fetch(`${url}/v2/token?${query}`, { headers: basic(as) });
  expect(response.status).toBe(200);
  return JSON.parse(await response.text()).token;
}
const get = (path: string, headers: Record<string, string>, method = 'GET') =>
  fetch(`${url}${path}`, { headers, method });
const tags = '/v2/shop/app/tags/list';

describe('a client without credentials', () => {
  it.each([
    ['GET', '/v2/', ''],
    ['GET', tags, ',scope="repository:shop/app:pull"'],
    ['POST', '/v2/shop/app/blobs/uploads/', ',scope="repository:shop/app:pull,push"'],
    ['DELETE', '/v2/shop/app/manifests/v1', ',scope="repository:shop/app:delete"'],
  ])('is told at %s %s where to get which token', async (method, path, scope) => {
    const response = await get(path, {}, method);

    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer realm="https://sally.example.com/v2/token",service="sally"${scope}`,
    );
  });
});

describe('a token', () => {
  it('opens what it names, for five minutes', async () => {
    const token = await tokenFor('repository:shop/app:pull');
    // The repository has no manifest: its name is unknown, which only those learn who may read it.
    expect((await get(tags, bearer(token))).status).toBe(404);

    clock.advance(accessTokenSeconds * 1000 - 1);
    expect((await get(tags, bearer(token))).status).toBe(404);
    clock.advance(1);
    expect((await get(tags, bearer(token))).status).toBe(401);
  });

  it('is refused with what is missing where it does not reach', async () => {
    const token = await tokenFor('repository:shop/app:pull');
    const push = await get('/v2/shop/app/blobs/uploads/', bearer(token), 'POST');

    expect(push.status).toBe(401);
    expect(push.headers.get('www-authenticate')).toContain(
      'scope="repository:shop/app:pull,push",error="insufficient_scope"',
    );
    expect(
      (
        await get(
          '/v2/shop/app/blobs/uploads/',
          bearer(await tokenFor('repository:shop/app:pull,push')),
          'POST',
        )
      ).status,
    ).toBe(202);
    allowed.add('ann read registry/shop/other');
    expect((await get('/v2/shop/other/tags/list', bearer(token))).status).toBe(401);
  });

  it('grants no more than the policies do', async () => {
    const token = await tokenFor('repository:shop/app:pull,push,delete', 'bob');

    expect((await get(tags, bearer(token))).status).toBe(404);
    expect((await get('/v2/shop/app/blobs/uploads/', bearer(token), 'POST')).status).toBe(403);
  });

  it('ends with its credential and with the policy, at once', async () => {
    const token = await tokenFor('repository:shop/app:pull');
    allowed.delete('ann read registry/shop/app');
    expect((await get(tags, bearer(token))).status).toBe(403);
    allowed.add('ann read registry/shop/app');
    known.delete('ann');
    expect((await get(tags, bearer(token))).status).toBe(401);
  });

  it('of a client that mounts needs the source as well', async () => {
    const digest = 'sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a';
    allowed.add('ann create registry/shop/new').add('ann read registry/shop/new');
    const mount = (token: string) =>
      get(`/v2/shop/new/blobs/uploads/?mount=${digest}&from=shop/app`, bearer(token), 'POST');

    expect((await mount(await tokenFor('repository:shop/new:pull,push'))).status).toBe(202);
    const both = await tokenFor('repository:shop/new:pull,push repository:shop/app:pull');
    expect((await mount(both)).status).toBe(201);
  });

  it('opens nothing but the registry, and makes no other token', async () => {
    const token = await tokenFor('repository:shop/app:pull');
    expect((await get('/v2/token?scope=repository:shop/app:pull', basic(token))).status).toBe(401);
    expect((await get('/v2/', bearer(token))).status).toBe(200);
    await expect(authenticate(token)).rejects.toThrow('no');
  });

  it('with any bit changed is none', async () => {
    const token = await tokenFor('repository:shop/app:pull');
    const bytes = Buffer.from(token.slice(4), 'base64url');
    for (let at = 0; at < bytes.length; at += 7) {
      const forged = Buffer.from(bytes);
      forged[at] = (forged[at] ?? 0) ^ 1;
      expect((await get('/v2/', bearer(`spr_${forged.toString('base64url')}`))).status).toBe(401);
    }
    expect((await get('/v2/', bearer('spr_'))).status).toBe(401);
  });
});

describe('the form of OAuth2', () => {
  const post = (form: Record<string, string>) =>
    fetch(`${url}/v2/token`, { method: 'POST', body: new URLSearchParams(form) });

  it.each([
    { grant_type: 'password', username: 'any', password: 'ann' },
    { grant_type: 'refresh_token', refresh_token: 'ann' },
  ])('gives the same token: %j', async (form) => {
    const response = await post({
      ...form,
      service: 'sally',
      client_id: 'c',
      scope: 'repository:shop/app:pull',
    });
    const body = JSON.parse(await response.text());

    expect(body).toMatchObject({ expires_in: accessTokenSeconds, scope: 'repository:shop/app:pull' });
    expect((await get(tags, bearer(body.access_token))).status).toBe(404);
  });

  it('is refused when it is not one', async () => {
    expect((await post({ grant_type: 'password', password: 'nobody' })).status).toBe(401);
    expect((await post({ grant_type: 'password' })).status).toBe(400);
    expect((await post({ grant_type: 'client_credentials' })).status).toBe(400);
    expect(
      (await post({ grant_type: 'password', password: 'ann', scope: 'repository:UP:pull' })).status,
    ).toBe(400);
    expect((await post({ grant_type: 'password', password: 'a'.repeat(40_000) })).status).toBe(413);
  });
});

describe('scopes', () => {
  it.each([
    [['repository:a/b:pull'], [{ repository: 'a/b', actions: ['pull'] }]],
    [['repository:a/b:push,pull'], [{ repository: 'a/b', actions: ['pull', 'push'] }]],
    [['repository:a:*'], [{ repository: 'a', actions: ['pull', 'push', 'delete'] }]],
    [['repository(plugin):a:pull'], [{ repository: 'a', actions: ['pull'] }]],
    [
      ['repository:a:pull repository:b:push'],
      [
        { repository: 'a', actions: ['pull'] },
        { repository: 'b', actions: ['push'] },
      ],
    ],
    [['registry:catalog:*'], []],
    [['repository:a:fly'], [{ repository: 'a', actions: [] }]],
    [['', ' '], []],
  ])('%j', (texts, grants) => {
    expect(parseScopes(texts)).toEqual(grants);
  });

  it('name repositories that can be, and not too many', () => {
    for (const texts of [['repository:../x:pull'], ['repository:a//b:pull'], ['repository:a"b:pull']])
      expect(() => parseScopes(texts)).toThrow(expect.objectContaining({ kind: 'invalid' }));
    expect(() => parseScopes([Array(21).fill('repository:a:pull').join(' ')])).toThrow('at most 20');
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 60 }), { maxLength: 5 }), (texts) => {
        try {
          for (const { repository } of parseScopes(texts)) expect(repository).toMatch(/^[a-z0-9._/-]+$/);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'invalid' });
        }
      }),
    );
  });
});
