import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../../test-support/vault.ts';

let vault: TestVault;
let dev: string;

beforeAll(async () => {
  vault = await openVault();
  for (const environment of ['shop/dev', 'shop/prod']) {
    const path = environment.replace('/', '-');
    await vault.request('POST', `sys/mounts/${path}`, { body: { type: 'kv', environment } });
    await vault.request('POST', `${path}/a`, { body: { k: 'v' } });
  }
  await vault.request('PUT', 'sys/policies/acl/admin', {
    body: { policy: 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }' },
  });
  dev = await tokenWith('admin', ['shop/dev']);
});
afterAll(() => vault.close());

async function tokenWith(policy: string, environments: readonly string[]): Promise<string> {
  const made = await vault.request('POST', 'auth/token/create', {
    body: { policies: [policy], environments },
  });
  return made.body.auth.client_token;
}

const reading = (path: string) => `path "${path}" { capabilities = ["read"] }`;

describe('a policy', () => {
  it('grants only in the environments of whoever wrote it', async () => {
    const body = { policy: reading('+/a') };
    expect((await vault.request('PUT', 'sys/policies/acl/ours', { token: dev, body })).status).toBe(204);
    const token = await tokenWith('ours', ['shop/dev', 'shop/prod']);

    expect((await vault.request('GET', 'shop-dev/a', { token })).status).toBe(200);
    expect((await vault.request('GET', 'shop-prod/a', { token })).status).toBe(403);
  });

  it('cannot be written to reach another environment, nor changed or deleted by who does not reach its own', async () => {
    const wider = { policy: `environments = ["shop/prod"]\n${reading('+/a')}` };
    expect((await vault.request('PUT', 'sys/policies/acl/wider', { token: dev, body: wider })).status).toBe(
      403,
    );
    expect((await vault.request('GET', 'sys/policies/acl/wider')).status).toBe(404);

    await vault.request('PUT', 'sys/policies/acl/all', { body: { policy: reading('+/a') } });
    const body = { policy: reading('x') };
    expect((await vault.request('PUT', 'sys/policies/acl/all', { token: dev, body })).status).toBe(403);
    expect((await vault.request('DELETE', 'sys/policies/acl/all', { token: dev })).status).toBe(403);
    expect((await vault.request('GET', 'sys/policies/acl/all')).body.data.policy).toBe(reading('+/a'));
  });
});

describe('a namespace', () => {
  it('is refused, not passed over', async () => {
    const asked = (namespace: string) =>
      vault.request('GET', 'auth/token/lookup-self', { headers: { 'x-vault-namespace': namespace } });

    expect((await asked('team')).status).toBe(400);
    expect((await asked('root')).status).toBe(200);
  });
});
