import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { removeSome } from '../mounts/removed.ts';
import { testSys } from './server.fixture.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault({ sys: testSys(() => vault.keyring) });
});
afterAll(() => vault.close());

const post = (path: string, body: object, token?: string) =>
  vault.request('POST', path, { body, ...(token === undefined ? {} : { token }) });

async function tokenWith(policy: string, more: object = {}): Promise<string> {
  const name = `p${Math.random().toString(36).slice(2)}`;
  expect((await post(`sys/policies/acl/${name}`, { policy })).status).toBe(204);
  const made = await post('auth/token/create', { policies: [name], ...more });
  return made.body.auth.client_token;
}

describe('mounts', () => {
  it('are listed twice over, as fields of the answer and below data', async () => {
    const { status, body } = await vault.request('GET', 'sys/mounts');

    expect(status).toBe(200);
    expect(body['secret/']).toEqual(body.data['secret/']);
    expect(body.data['secret/']).toMatchObject({
      type: 'kv',
      options: { version: '2' },
      config: { max_lease_ttl: 0 },
    });
    expect(Object.keys(body.data)).toEqual(expect.arrayContaining(['sys/', 'cubbyhole/', 'identity/']));
    expect(Object.keys((await vault.request('GET', 'sys/auth')).body.data)).toContain('token/');
  });

  it.each([
    ['kv-v2', { version: '2' }],
    ['kv-v1', { version: '1' }],
    ['generic', { version: '1' }],
    ['kv', null],
  ])('of type %s are of kv', async (type, options) => {
    expect(
      (await post(`sys/mounts/alias-${type}`, { type, config: null, options: null, description: null }))
        .status,
    ).toBe(204);

    const { body } = await vault.request('GET', `sys/mounts/alias-${type}`);
    expect(body.data).toMatchObject({ type: 'kv', options });
  });

  it.each([
    ['secret', 'path is already in use at secret/'],
    ['secret/below', 'path is already in use at secret/'],
  ])('are not made at %s, where one is', async (path, error) => {
    const answer = await post(`sys/mounts/${path}`, { type: 'kv' });

    expect(answer).toMatchObject({ status: 400, body: { errors: [error] } });
  });

  it.each(['sys', 'auth', 'auth/x', 'identity', 'cubbyhole/x'])(
    'are not made at %s, which is the server itself',
    async (path) => {
      expect((await post(`sys/mounts/${path}`, { type: 'kv' })).status).toBe(403);
      expect((await vault.request('DELETE', `sys/mounts/${path}`)).status).toBe(400);
    },
  );

  it.each(['', 'system', 'identity', 'token', 'nothing', 'kv-v3', '__proto__'])(
    'are not made of the type %j',
    async (type) => {
      expect([400, 403]).toContain((await post('sys/mounts/odd', { type })).status);
    },
  );

  it('show and keep their settings', async () => {
    await post('sys/mounts/tuned', {
      type: 'kv',
      options: { version: 2 },
      config: { default_lease_ttl: '1h' },
    });
    expect((await vault.request('GET', 'sys/mounts/tuned/tune')).body.data).toMatchObject({
      default_lease_ttl: 3600,
      max_lease_ttl: 2_764_800,
    });

    const tuned = await post('sys/mounts/tuned/tune', {
      default_lease_ttl: '3600s',
      max_lease_ttl: 8600,
      description: 'known',
      audit_non_hmac_request_keys: 'a,b',
      listing_visibility: 'unauth',
    });

    expect(tuned.status).toBe(204);
    expect((await vault.request('GET', 'sys/mounts/tuned/tune')).body).toMatchObject({
      default_lease_ttl: 3600,
      data: {
        default_lease_ttl: 3600,
        max_lease_ttl: 8600,
        description: 'known',
        audit_non_hmac_request_keys: ['a', 'b'],
        listing_visibility: 'unauth',
        options: { version: '2' },
      },
    });
    expect((await vault.request('GET', 'sys/internal/ui/mounts', { token: null })).body.data.secret).toEqual({
      'tuned/': { type: 'kv', description: 'known', options: { version: '2' } },
    });
  });

  it.each([
    ['a default above the maximum', { default_lease_ttl: '2h', max_lease_ttl: '1h' }],
    ['a visibility that is none', { listing_visibility: 'everybody' }],
    ['a token type for an engine', { token_type: 'batch' }],
    ['a TTL that is none', { max_lease_ttl: 'soon' }],
    ['another environment', { options: { environment: 'shop/prod' } }],
    ['a lower version', { options: { version: '1' } }],
  ])('are not tuned to %s', async (_name, body) => {
    expect((await post('sys/mounts/secret/tune', body)).status).toBe(400);
  });

  it('change their version only while they are empty', async () => {
    await post('sys/mounts/grows', { type: 'kv' });
    await post('sys/mounts/full', { type: 'kv' });
    await post('full/a', { x: 1 });

    expect((await post('sys/mounts/grows/tune', { options: { version: '2' } })).status).toBe(204);
    expect((await post('sys/mounts/full/tune', { options: { version: '2' } })).status).toBe(400);
    expect((await post('grows/data/a', { data: { x: 1 } })).status).toBe(200);
  });

  it('move with their secrets', async () => {
    await post('sys/mounts/old/place', { type: 'kv-v2' });
    await post('old/place/data/a', { data: { x: 1 } });

    const moved = await post('sys/remount', { from: 'old/place', to: 'new' });

    expect(moved.status).toBe(200);
    expect((await vault.request('GET', 'new/data/a')).body.data.data).toEqual({ x: 1 });
    expect((await vault.request('GET', 'old/place/data/a')).status).toBe(404);
    expect(
      (await vault.request('GET', `sys/remount/status/${moved.body.migration_id}`)).body.data,
    ).toMatchObject({
      migration_info: { source_mount: 'old/place/', target_mount: 'new/', status: 'success' },
    });
  });

  it.each([
    ['sys', 'x'],
    ['secret', 'sys/x'],
    ['secret', 'kv1/below'],
    ['auth/token', 'auth/x'],
    ['secret', 'auth/x'],
    ['nothing', 'x'],
    ['secret', '../x'],
    ['', 'x'],
  ])('do not move from %s to %s', async (from, to) => {
    expect((await post('sys/remount', { from, to })).status).toBe(400);
  });

  it('are gone at once, and their records in portions', async () => {
    await post('sys/mounts/short', { type: 'kv' });
    for (let index = 0; index < 7; index += 1) await post(`short/dir/${index}`, { x: index });
    const before = vault.journal.status().records;

    expect((await vault.request('DELETE', 'sys/mounts/short')).status).toBe(204);
    expect((await vault.request('GET', 'short/dir/1')).status).toBe(404);
    const portions: number[] = [];
    for (let count = 1; count > 0; ) {
      count = await vault.journal.run((turn) => ({ answer: removeSome(turn, 3), audit: [] }));
      portions.push(count);
    }

    expect(portions).toEqual([3, 3, 2, 0]);
    expect(vault.journal.status().records).toBe(before - 7);
    expect((await vault.request('DELETE', 'sys/mounts/short')).status).toBe(204);
  });

  it('of a login method end with its tokens', async () => {
    await post('sys/auth/robots', { type: 'approle' });
    await post('auth/robots/role/r', { token_policies: 'default' });
    const roleId = (await vault.request('GET', 'auth/robots/role/r/role-id')).body.data.role_id;
    const secretId = (await post('auth/robots/role/r/secret-id', {})).body.data.secret_id;
    const login = await post('auth/robots/login', { role_id: roleId, secret_id: secretId });
    const token = login.body.auth.client_token;
    expect((await vault.request('GET', 'auth/token/lookup-self', { token })).status).toBe(200);

    expect((await vault.request('DELETE', 'sys/auth/robots')).status).toBe(204);

    expect((await vault.request('GET', 'auth/token/lookup-self', { token })).status).toBe(403);
    expect((await vault.request('DELETE', 'sys/auth/token')).status).toBe(400);
  });
});

describe('mounts and environments', () => {
  const policy = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }';

  it('are in the default one, in the caller’s only one, or in the one that is asked for', async () => {
    const shop = await tokenWith(policy, { environments: ['shop/prod'] });
    await post('sys/mounts/plain', { type: 'kv' });
    await post('sys/mounts/of-shop', { type: 'kv' }, shop);
    await post('sys/mounts/asked', { type: 'kv', environment: 'shop/dev' });
    await post('sys/mounts/in-options', { type: 'kv', options: { environment: 'shop/dev', version: '2' } });

    const { data } = (await vault.request('GET', 'sys/mounts')).body;
    expect(['plain/', 'of-shop/', 'asked/', 'in-options/'].map((path) => data[path].environment)).toEqual([
      'default/default',
      'shop/prod',
      'shop/dev',
      'shop/dev',
    ]);
    expect(data['in-options/'].options).toEqual({ version: '2' });
  });

  it('are out of reach for a token of another one, whatever its policies say', async () => {
    const shop = await tokenWith(policy, { environments: ['shop/prod'] });
    await post('sys/mounts/theirs', { type: 'kv', environment: 'bank/prod' });

    expect((await post('sys/mounts/mine', { type: 'kv', environment: 'bank/prod' }, shop)).status).toBe(403);
    expect((await vault.request('DELETE', 'sys/mounts/theirs', { token: shop })).status).toBe(403);
    expect((await post('sys/remount', { from: 'theirs', to: 'mine' }, shop)).status).toBe(403);
    expect((await vault.request('GET', 'sys/mounts/theirs/tune', { token: shop })).status).toBe(400);
    expect((await vault.request('GET', 'sys/mounts', { token: shop })).body.data).not.toHaveProperty(
      'theirs/',
    );
    expect((await vault.request('GET', 'sys/internal/ui/mounts/theirs/a', { token: shop })).status).toBe(403);
    expect((await post('sys/capabilities-self', { path: 'theirs/a' }, shop)).body.capabilities).toEqual([
      'deny',
    ]);
    expect((await vault.request('GET', 'theirs/a', { token: shop })).status).toBe(403);
  });

  it('of login methods for all of them take a token that reaches all of them', async () => {
    const shop = await tokenWith(policy, { environments: ['shop/prod'] });

    expect((await post('sys/auth/wide', { type: 'approle', environment: 'system' }, shop)).status).toBe(403);
    expect((await post('sys/auth/wide', { type: 'approle', environment: 'system' })).status).toBe(204);
    expect((await post('sys/mounts/wide', { type: 'kv', environment: 'system' })).status).toBe(400);
  });

  it.each(['shop', 'shop/prod/x', 'Shop/prod', 'shop/../x', ''.padEnd(200, 'a')])(
    'are not in %j',
    async (environment) => {
      expect((await post('sys/mounts/nowhere', { type: 'kv', environment })).status).toBe(400);
    },
  );
});

describe('sys/auth', () => {
  it('takes sudo, also to look at settings', async () => {
    const token = await tokenWith(
      'path "sys/*" { capabilities = ["create", "read", "update", "delete", "list"] }',
    );

    expect((await post('sys/auth/x', { type: 'approle' }, token)).status).toBe(403);
    expect((await vault.request('GET', 'sys/auth/token/tune', { token })).status).toBe(403);
    expect((await vault.request('GET', 'sys/mounts/auth/token/tune', { token })).status).toBe(200);
    expect((await vault.request('GET', 'sys/auth', { token })).status).toBe(200);
  });
});
