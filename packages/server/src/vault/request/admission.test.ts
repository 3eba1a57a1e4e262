import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
  await vault.request('POST', 'secret/data/app', { body: { data: { a: 'b' } } });
  await vault.request('POST', 'sys/auth/approle', { body: { type: 'approle' } });
});
afterAll(() => vault.close());

const denied = { status: 403, body: { errors: ['permission denied'] } };
let names = 0;

/** A token with one policy of these rules, and with nothing else. */
async function holderOf(rules: string, fields: object = {}): Promise<string> {
  names += 1;
  const name = `rules-${names}`;
  const written = await vault.request('PUT', `sys/policies/acl/${name}`, { body: { policy: rules } });
  expect(written.status).toBe(204);
  const made = await vault.request('POST', 'auth/token/create', {
    body: { policies: [name], no_default_policy: true, ttl: '1h', ...fields },
  });
  return made.body.auth.client_token;
}

describe('whoever has no valid token', () => {
  it.each([
    ['no token', null],
    ['an unknown token', 'hvs.unknown'],
    ['an empty one', ''],
    ['a very long one', 'x'.repeat(5000)],
  ])('is refused alike, with %s, whether the path exists or not', async (_what, token) => {
    for (const path of ['secret/data/app', 'secret/nothing/here', 'nowhere', 'sys/mounts', 'sys/none'])
      for (const method of ['GET', 'POST', 'LIST', 'DELETE', 'PATCH'])
        expect(await vault.request(method, path, { token })).toMatchObject(denied);
    expect(await vault.request('GET', 'secret/data/app?help=1', { token })).toMatchObject(denied);
  });

  it('is answered on open paths, also with a token that is none', async () => {
    const login = { role_id: 'x', secret_id: 'y' };
    const answer = await vault.request('POST', 'auth/approle/login', { token: 'hvs.unknown', body: login });
    expect(answer).toMatchObject({ status: 400, body: { errors: ['invalid role or secret ID'] } });
    // The path is open for what it is for, and its help is not.
    expect((await vault.request('GET', 'auth/approle/login?help=1', { token: null })).status).toBe(403);
  });
});

describe('a path that is not there', () => {
  it('is told from one that is only to who may know', async () => {
    const blind = await holderOf('path "kv1/*" { capabilities = ["read"] }');

    expect(await vault.request('GET', 'nowhere/x', { token: blind })).toMatchObject(denied);
    expect((await vault.request('GET', 'nowhere/x')).body.errors[0]).toMatch(/^no handler for route/);
    expect(await vault.request('GET', 'secret/nothing/x', { token: blind })).toMatchObject(denied);
    expect(await vault.request('GET', 'secret/nothing/x')).toMatchObject({
      status: 404,
      body: { errors: ['unsupported path'] },
    });
    expect(await vault.request('DELETE', 'secret/config')).toMatchObject({
      status: 405,
      body: { errors: ['unsupported operation'] },
    });
  });

  it('is no way around a policy', async () => {
    const token = await holderOf('path "secret/data/mine/*" { capabilities = ["read", "list"] }');

    for (const path of [
      'secret/data/mine/../app',
      'secret/data/mine/%2e%2e/app',
      'secret/data/mine//../app',
      'secret/data/mine%2f..%2fapp',
      'secret/data/mine/%00/../app',
      'secret/data/mine/%c0%ae%c0%ae/app',
    ]) {
      const answer = await rawGet(path, token);
      expect([400, 403]).toContain(answer);
    }
  });
});

/** Without the cleaning that `fetch` does to a path. */
async function rawGet(path: string, token: string): Promise<number> {
  const { request } = await import('node:http');
  return await new Promise((resolve, reject) => {
    const { hostname, port } = new URL(vault.address);
    const asked = request({ hostname, port, path: `/v1/${path}`, headers: { 'x-vault-token': token } });
    asked.on('response', (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.on('error', reject);
    asked.end();
  });
}

describe('LIST', () => {
  it('is its own right, by the verb and by the query', async () => {
    const reader = await holderOf('path "secret/metadata/*" { capabilities = ["read"] }');
    const lister = await holderOf('path "secret/metadata/*" { capabilities = ["list"] }');

    for (const query of ['?list=true', '?list=1', '?list=T', '/?list=true']) {
      expect(
        (await vault.request('GET', `secret/metadata${query}`, { token: lister })).body.data.keys,
      ).toEqual(['app']);
      expect(await vault.request('GET', `secret/metadata${query}`, { token: reader })).toMatchObject(denied);
    }
    expect((await vault.request('GET', 'secret/metadata/app', { token: reader })).status).toBe(200);
    expect(await vault.request('GET', 'secret/metadata/app', { token: lister })).toMatchObject(denied);
    expect((await vault.request('GET', 'secret/metadata/app?list=false', { token: reader })).status).toBe(
      200,
    );
  });
});

describe('the capability sudo', () => {
  it('is asked for on top where a path says so', async () => {
    const without = await holderOf('path "auth/token/accessors" { capabilities = ["list"] }');
    const both = await holderOf('path "auth/token/accessors/" { capabilities = ["list", "sudo"] }');

    expect(await vault.request('LIST', 'auth/token/accessors', { token: without })).toMatchObject(denied);
    expect((await vault.request('LIST', 'auth/token/accessors', { token: both })).status).toBe(200);
  });
});

describe('a write', () => {
  it('is a creation where nothing is, and a change where something is', async () => {
    const creator = await holderOf('path "secret/data/new/*" { capabilities = ["create"] }');
    const changer = await holderOf('path "secret/data/new/*" { capabilities = ["update"] }');
    const body = { data: { a: 1 } };

    expect(await vault.request('POST', 'secret/data/new/x', { token: changer, body })).toMatchObject(denied);
    expect((await vault.request('POST', 'secret/data/new/x', { token: creator, body })).status).toBe(200);
    expect(await vault.request('PUT', 'secret/data/new/x', { token: creator, body })).toMatchObject(denied);
    expect((await vault.request('PUT', 'secret/data/new/x', { token: changer, body })).status).toBe(200);
  });
});

describe('the bounds of a policy on wrapping', () => {
  it('hold for what is asked and for what is not', async () => {
    const token = await holderOf(
      'path "secret/data/app" { capabilities = ["read"] min_wrapping_ttl = "1m" max_wrapping_ttl = "5m" }',
    );
    const read = async (ttl?: string): Promise<number> =>
      (
        await vault.request('GET', 'secret/data/app', {
          token,
          headers: ttl === undefined ? {} : { 'x-vault-wrap-ttl': ttl },
        })
      ).status;

    expect([await read(), await read('30s'), await read('6m'), await read('0')]).toEqual([
      403, 403, 403, 403,
    ]);
    expect([await read('1m'), await read('300')]).toEqual([200, 200]);
    expect(await read('soon')).toBe(400);
  });
});

describe('an environment', () => {
  it('is reached by tokens that were made for it, and by no other', async () => {
    for (const [path, environment] of [
      ['kv-prod', 'shop/prod'],
      ['kv-dev', 'shop/dev'],
    ])
      await vault.request('POST', `sys/mounts/${path}`, { body: { type: 'kv', environment } });
    const rules = 'path "kv-*" { capabilities = ["create", "read", "update"] }';
    const dev = await holderOf(rules, { environments: ['shop/dev'] });
    const all = await holderOf(rules);
    const body = { value: 'x' };

    expect((await vault.request('POST', 'kv-dev/a', { token: dev, body })).status).toBe(204);
    expect(await vault.request('POST', 'kv-prod/a', { token: dev, body })).toMatchObject(denied);
    expect((await vault.request('POST', 'kv-prod/a', { token: all, body })).status).toBe(204);
    expect(await vault.request('GET', 'kv-prod/a', { token: dev })).toMatchObject(denied);
    // And what is not there is refused in the same words as what is.
    expect(await vault.request('GET', 'kv-prod/none', { token: dev })).toMatchObject(denied);
  });
});

describe('a token with a number of uses', () => {
  const left = async (token: string): Promise<number | undefined> =>
    (await vault.request('POST', 'auth/token/lookup', { body: { token } })).body.data?.num_uses;

  it('loses one with each request, refusals and help included, and is gone after the last', async () => {
    const token = await holderOf('path "secret/data/app" { capabilities = ["read"] }', { num_uses: 5 });
    const ask = async (method: string, path: string): Promise<number> =>
      (await vault.request(method, path, { token })).status;

    expect([await ask('GET', 'secret/data/app'), await left(token)]).toEqual([200, 4]);
    expect([await ask('GET', 'secret/data/other'), await left(token)]).toEqual([403, 3]);
    expect([await ask('GET', 'nowhere'), await left(token)]).toEqual([403, 2]);
    expect([await ask('GET', 'secret/data/app?help=1'), await left(token)]).toEqual([200, 1]);
    expect([await ask('GET', 'secret/data/app'), await left(token)]).toEqual([200, undefined]);
    expect(await ask('GET', 'secret/data/app')).toBe(403);
  });

  it('is used up once by many at the same moment', async () => {
    const token = await holderOf('path "secret/data/app" { capabilities = ["read"] }', { num_uses: 3 });

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => vault.request('GET', 'secret/data/app', { token })),
    );

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    expect(answers.filter(({ text }) => text.includes('"b"'))).toHaveLength(3);
  });

  it('keeps its uses on open paths, which it did not open', async () => {
    const token = await holderOf('path "secret/data/app" { capabilities = ["read"] }', { num_uses: 2 });

    await vault.request('POST', 'auth/approle/login', { token, body: { role_id: 'x', secret_id: 'y' } });

    expect(await left(token)).toBe(2);
  });
});
