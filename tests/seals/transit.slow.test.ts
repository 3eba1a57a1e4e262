import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startVaultServers, type VaultServers } from '../support/vault-servers.ts';

/** One Sallyport whose transit engine holds the root key of another: the seal `transit`, against ourselves. */
describe('a server sealed by another one', () => {
  let keeper: VaultServers;
  let sealed: VaultServers | undefined;

  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await keeper.request(0, method, path, body === undefined ? {} : { body });
    if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };

  beforeAll(async () => {
    keeper = await startVaultServers();
    await ask('POST', 'sys/mounts/transit', { type: 'transit' });
    await ask('POST', 'transit/keys/unseal', {});
    await ask('PUT', 'sys/policies/acl/unseal', {
      policy:
        'path "transit/encrypt/unseal" { capabilities = ["update"] }\npath "transit/decrypt/unseal" { capabilities = ["update"] }',
    });
    const made = (await ask('POST', 'auth/token/create', { policies: ['unseal'], period: '24h' })) as {
      auth: { client_token: string };
    };
    sealed = await startVaultServers({
      flags: ['--seal', `transit?address=${keeper.addresses[0]}&key=unseal`],
      env: { VAULT_TOKEN: made.auth.client_token },
    });
  }, 120_000);
  afterAll(async () => {
    await sealed?.close();
    await keeper?.close();
  });

  it('opens by itself, and opens again after a restart and after the key was rotated', async () => {
    const server = sealed?.servers[0];
    const write = await sealed?.request(0, 'POST', 'secret/data/a', { body: { data: { k: 'v' } } });
    expect(write?.status).toBe(200);
    const status = await sealed?.request(0, 'GET', 'sys/seal-status');
    expect(status?.body).toMatchObject({ type: 'transit', sealed: false, recovery_seal: true });

    await ask('POST', 'transit/keys/unseal/rotate', {});
    await server?.stop();
    await server?.start();

    const read = await sealed?.request(0, 'GET', 'secret/data/a');
    expect(read?.body).toMatchObject({ data: { data: { k: 'v' } } });
  });

  it('does not start without the other one, and says which', async () => {
    const server = sealed?.servers[0];
    await server?.stop();
    await keeper.servers[0]?.stop();

    await expect(server?.start()).rejects.toThrow(/keyring\.seal_unavailable/);

    await keeper.servers[0]?.start();
    await server?.start();
    expect((await sealed?.request(0, 'GET', 'secret/data/a'))?.status).toBe(200);
  });
});
