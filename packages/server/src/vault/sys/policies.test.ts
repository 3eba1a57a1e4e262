import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { testSys } from './server.fixture.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault({ sys: testSys(() => vault.keyring) });
});
afterAll(() => vault.close());

const put = (path: string, body: object, token?: string) =>
  vault.request('PUT', path, { body, ...(token === undefined ? {} : { token }) });
const reader = 'path "secret/*" { capabilities = ["read"] }';

describe('policies', () => {
  it('are written, read, listed and deleted', async () => {
    expect((await put('sys/policies/acl/reader', { policy: reader })).status).toBe(204);

    expect((await vault.request('GET', 'sys/policies/acl/reader')).body.data).toEqual({
      name: 'reader',
      policy: reader,
    });
    expect((await vault.request('LIST', 'sys/policies/acl')).body.data.keys).toEqual([
      'default',
      'reader',
      'root',
    ]);
    expect((await vault.request('DELETE', 'sys/policies/acl/reader')).status).toBe(204);
    expect(await vault.request('GET', 'sys/policies/acl/reader')).toMatchObject({
      status: 404,
      body: { errors: [] },
    });
    expect((await vault.request('DELETE', 'sys/policies/acl/reader')).status).toBe(204);
  });

  it('have another form under their former path', async () => {
    expect((await put('sys/policy/old', { rules: reader })).body.warnings).toHaveLength(1);

    const { body } = await vault.request('GET', 'sys/policy/old');
    expect(body).toMatchObject({ name: 'old', rules: reader, data: { name: 'old', rules: reader } });
    const listed = (await vault.request('GET', 'sys/policy')).body;
    expect(listed.policies).toEqual(listed.data.keys);
    expect(listed.data.policies).toContain('old');
  });

  it('are kept under a name in lower case, which is said', async () => {
    const written = await put('sys/policies/acl/MiXed', { policy: reader });

    expect(written).toMatchObject({
      status: 200,
      body: { warnings: ['policy name was converted to mixed'] },
    });
    expect((await vault.request('GET', 'sys/policies/acl/MIXED')).body.data.name).toBe('mixed');
  });

  it('may come in base64', async () => {
    await put('sys/policies/acl/encoded', { policy: Buffer.from(reader).toString('base64') });

    expect((await vault.request('GET', 'sys/policies/acl/encoded')).body.data.policy).toBe(reader);
  });

  it.each(['root', 'ROOT', 'response-wrapping'])('named %s are not written or deleted', async (name) => {
    expect((await put(`sys/policies/acl/${name}`, { policy: reader })).status).toBe(400);
    expect((await put(`sys/policy/${name}`, { policy: reader })).status).toBe(400);
    expect((await vault.request('DELETE', `sys/policies/acl/${name}`)).status).toBe(400);
  });

  it('named default are always there', async () => {
    expect((await vault.request('DELETE', 'sys/policies/acl/default')).status).toBe(400);
    expect((await vault.request('GET', 'sys/policies/acl/default')).body.data.policy).toContain(
      'lookup-self',
    );
  });

  it.each([
    ['no text', {}],
    ['a text that is none', { policy: 'path "a" {' }],
    ['a capability nobody knows', { policy: 'path "a" { capabilities = ["fly"] }' }],
    ['a number', { policy: 7 }],
  ])('are not written with %s', async (_name, body) => {
    expect((await put('sys/policies/acl/bad', body)).status).toBe(400);
    expect((await vault.request('GET', 'sys/policies/acl/bad')).status).toBe(404);
  });

  it('take effect at once for tokens that are about', async () => {
    await put('sys/policies/acl/live', { policy: reader });
    const token = (await vault.request('POST', 'auth/token/create', { body: { policies: ['live'] } })).body
      .auth.client_token;
    await vault.request('POST', 'secret/data/a', { body: { data: { x: 1 } } });
    expect((await vault.request('GET', 'secret/data/a', { token })).status).toBe(200);

    await put('sys/policies/acl/live', { policy: 'path "secret/*" { capabilities = ["deny"] }' });

    expect((await vault.request('GET', 'secret/data/a', { token })).status).toBe(403);
  });
});

describe('capabilities', () => {
  it('are told of oneself, of a token and of an accessor, by path and flat for one', async () => {
    await put('sys/policies/acl/reader', { policy: reader });
    const { client_token: token, accessor } = (
      await vault.request('POST', 'auth/token/create', { body: { policies: ['reader'] } })
    ).body.auth;

    const self = await vault.request('POST', 'sys/capabilities-self', {
      token,
      body: { paths: ['secret/data/a', 'kv1/a'] },
    });
    expect(self.body.data).toEqual({ 'secret/data/a': ['read'], 'kv1/a': ['deny'] });
    expect(self.body['kv1/a']).toEqual(['deny']);
    const other = await put('sys/capabilities', { token, path: '/secret/data/a' });
    expect(other.body).toMatchObject({ capabilities: ['read'], data: { '/secret/data/a': ['read'] } });
    expect(
      (await put('sys/capabilities-accessor', { accessor, paths: 'secret/data/a' })).body.capabilities,
    ).toEqual(['read']);
    expect((await put('sys/capabilities-self', { paths: ['sys/mounts'] })).body.capabilities).toEqual([
      'root',
    ]);
  });

  it.each([
    ['sys/capabilities', { token: 'hvs.nobody', path: 'a' }, 'invalid token'],
    ['sys/capabilities', { path: 'a' }, 'no token found'],
    ['sys/capabilities-accessor', { accessor: 'nobody', path: 'a' }, 'invalid accessor'],
    ['sys/capabilities-self', {}, 'paths must be supplied'],
  ])('%s of %j are refused', async (path, body, error) => {
    expect(await put(path, body)).toMatchObject({ status: 400, body: { errors: [error] } });
  });

  it('are not mixed up with members of objects', async () => {
    const { text } = await put('sys/capabilities-self', { paths: ['__proto__', 'constructor'] });

    expect(JSON.parse(text).data.constructor).toEqual(['root']);
    expect(text).toContain('"__proto__":["root"]');
  });
});

describe('what consoles ask', () => {
  it('is answered for a mount below which something is granted, and looks the same where nothing is', async () => {
    await put('sys/policies/acl/reader', { policy: reader });
    const token = (await vault.request('POST', 'auth/token/create', { body: { policies: ['reader'] } })).body
      .auth.client_token;

    const mine = await vault.request('GET', 'sys/internal/ui/mounts/secret/data/a', { token });
    const theirs = await vault.request('GET', 'sys/internal/ui/mounts/kv1/a', { token });
    const nothing = await vault.request('GET', 'sys/internal/ui/mounts/none/a', { token });

    expect(mine.body.data).toMatchObject({ path: 'secret/', type: 'kv', options: { version: '2' } });
    expect([theirs.status, nothing.status]).toEqual([403, 403]);
    expect(theirs.text.replace('kv1', '')).toBe(nothing.text.replace('none', ''));
  });

  it('refuses a token that is none, where nobody at all is welcome', async () => {
    expect((await vault.request('GET', 'sys/internal/ui/mounts', { token: 'hvs.nobody' })).status).toBe(403);
    expect((await vault.request('GET', 'sys/internal/ui/mounts', { token: null })).body.data).toEqual({
      auth: {},
      secret: {},
    });
  });

  it('shows what the policies of a token come to', async () => {
    await put('sys/policies/acl/shapes', {
      policy: `path "secret/data/a" { capabilities = ["read"] }
path "secret/+/b/*" {
  capabilities = ["update"]
  min_wrapping_ttl = 60
  denied_parameters = { "x" = [1, "y"] }
}`,
    });
    const token = (
      await vault.request('POST', 'auth/token/create', {
        body: { policies: ['shapes'], no_default_policy: true },
      })
    ).body.auth.client_token;
    await put('sys/policies/acl/shapes', {
      policy: `path "sys/internal/ui/resultant-acl" { capabilities = ["read"] }
path "secret/data/a" { capabilities = ["read"] }
path "secret/+/b/*" {
  capabilities = ["update"]
  min_wrapping_ttl = 60
  denied_parameters = { "x" = [1, "y"] }
}`,
    });

    const { body } = await vault.request('GET', 'sys/internal/ui/resultant-acl', { token });

    expect(body.data.exact_paths['secret/data/a']).toEqual({ capabilities: ['read'] });
    expect(body.data.glob_paths['secret/+/b/']).toEqual({
      capabilities: ['update'],
      min_wrapping_ttl: 60,
      denied_parameters: { x: [1, 'y'] },
    });
  });
});

describe('password policies', () => {
  it('are kept by name and give passwords', async () => {
    const policy = 'length = 16\nrule "charset" {\n  charset = "ab"\n}';
    expect((await put('sys/policies/password/simple', { policy })).status).toBe(204);

    expect((await vault.request('GET', 'sys/policies/password/simple')).body.data.policy).toBe(policy);
    expect((await vault.request('LIST', 'sys/policies/password')).body.data.keys).toEqual(['simple']);
    expect((await vault.request('GET', 'sys/policies/password/simple/generate')).body.data.password).toMatch(
      /^[ab]{16}$/,
    );
    expect((await vault.request('DELETE', 'sys/policies/password/simple')).status).toBe(204);
    expect((await vault.request('GET', 'sys/policies/password/simple/generate')).status).toBe(404);
    expect((await vault.request('LIST', 'sys/policies/password')).status).toBe(404);
  });
});
