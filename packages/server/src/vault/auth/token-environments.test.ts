import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';

let vault: TestVault;

beforeAll(async () => {
  vault = await openVault();
  for (const environment of ['shop/dev', 'shop/prod']) {
    const path = environment.replace('/', '-');
    await vault.request('POST', `sys/mounts/${path}`, { body: { type: 'kv', environment } });
    await vault.request('POST', `${path}/a`, { body: { k: 'v' } });
  }
  await vault.request('POST', 'sys/auth/dev', { body: { type: 'approle', environment: 'shop/dev' } });
  await vault.request('POST', 'sys/auth/all', { body: { type: 'approle', environment: 'system' } });
  const policy = 'path "*" { capabilities = ["create", "read", "update", "list", "sudo"] }';
  await vault.request('PUT', 'sys/policies/acl/all', { body: { policy } });
});
afterAll(() => vault.close());

async function signIn(mount: string, role: string): Promise<string> {
  const { body: id } = await vault.request('GET', `auth/${mount}/role/${role}/role-id`);
  const { body: secret } = await vault.request('POST', `auth/${mount}/role/${role}/secret-id`);
  const body = { role_id: id.data.role_id, secret_id: secret.data.secret_id };
  return (await vault.request('POST', `auth/${mount}/login`, { token: null, body })).body.auth.client_token;
}

const statusOf = async (path: string, token: string) => (await vault.request('GET', path, { token })).status;
const write = async (path: string, body: unknown, token?: string) =>
  (await vault.request('POST', path, { body, ...(token === undefined ? {} : { token }) })).status;

describe('a token of a role', () => {
  it('belongs to the environment of the login method', async () => {
    await write('auth/dev/role/plain', { token_policies: 'all' });
    const token = await signIn('dev', 'plain');

    expect(await statusOf('shop-dev/a', token)).toBe(200);
    expect(await statusOf('shop-prod/a', token)).toBe(403);
  });

  it('reaches what the role says, where the login method belongs to the whole installation', async () => {
    expect(
      await write('auth/all/role/one', { token_policies: 'all', token_environments: ['shop/prod'] }),
    ).toBe(204);
    const token = await signIn('all', 'one');

    expect(await statusOf('shop-prod/a', token)).toBe(200);
    expect(await statusOf('shop-dev/a', token)).toBe(403);
    expect((await vault.request('GET', 'auth/all/role/one')).body.data.token_environments).toEqual([
      'shop/prod',
    ]);
  });

  it('cannot name another environment than that of its login method', async () => {
    for (const environments of [['shop/prod'], ['*'], ['no environment']]) {
      expect(await write('auth/dev/role/more', { token_environments: environments })).toBe(400);
    }
    expect(await statusOf('auth/dev/role/more', vault.rootToken)).toBe(404);
  });

  it('cannot be had by who changes a login method of the whole installation and reaches one environment', async () => {
    await write('auth/all/role/wide', { token_policies: 'all' });
    const dev = await signIn('dev', 'plain');

    expect(await write('auth/all/role/wide', { token_policies: 'all' }, dev)).toBe(403);
    expect(await write('auth/all/role/wide/secret-id', {}, dev)).toBe(403);
    expect(await statusOf('auth/all/role/wide/role-id', dev)).toBe(403);
  });
});
