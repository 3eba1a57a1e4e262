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
  const policy = 'path "*" { capabilities = ["create", "read", "update", "list", "sudo"] }';
  await vault.request('PUT', 'sys/policies/acl/all', { body: { policy } });
});
afterAll(() => vault.close());

async function signIn(role: string): Promise<string> {
  const { body: id } = await vault.request('GET', `auth/dev/role/${role}/role-id`);
  const { body: secret } = await vault.request('POST', `auth/dev/role/${role}/secret-id`);
  const body = { role_id: id.data.role_id, secret_id: secret.data.secret_id };
  return (await vault.request('POST', 'auth/dev/login', { token: null, body })).body.auth.client_token;
}

const statusOf = async (path: string, token: string) => (await vault.request('GET', path, { token })).status;

describe('a token of a role', () => {
  it('belongs to the environment of the login method', async () => {
    await vault.request('POST', 'auth/dev/role/plain', { body: { token_policies: 'all' } });
    const token = await signIn('plain');

    expect(await statusOf('shop-dev/a', token)).toBe(200);
    expect(await statusOf('shop-prod/a', token)).toBe(403);
  });

  it('reaches others that the role names, if its writer reaches them', async () => {
    const body = { token_policies: 'all', token_environments: ['shop/dev', 'shop/prod'] };
    expect((await vault.request('POST', 'auth/dev/role/wide', { body })).status).toBe(204);
    const token = await signIn('wide');

    expect(await statusOf('shop-prod/a', token)).toBe(200);
    expect((await vault.request('GET', 'auth/dev/role/wide')).body.data.token_environments).toEqual(
      body.token_environments,
    );
  });

  it('cannot be given what the writer of the role does not reach', async () => {
    const token = await signIn('plain');
    for (const environments of [['shop/prod'], ['*'], ['no environment']]) {
      const body = { token_policies: 'all', token_environments: environments };
      const { status } = await vault.request('POST', 'auth/dev/role/more', { token, body });

      expect([400, 403]).toContain(status);
    }
    expect((await vault.request('GET', 'auth/dev/role/more')).status).toBe(404);
  });
});
