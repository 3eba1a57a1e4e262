import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../packages/server/test-support/vault.ts';

/** Credentials brought to where they do not belong: another mount, another environment, a second time. */

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
});
afterAll(() => vault.close());

const denied = { status: 403, body: { errors: ['permission denied'] } };
const ask = (method: string, path: string, body?: object, token?: string | null) =>
  vault.request(method, path, {
    ...(body === undefined ? {} : { body }),
    ...(token === undefined ? {} : { token }),
  });
async function done(method: string, path: string, body?: object): Promise<void> {
  const { status, text } = await ask(method, path, body);
  expect([method, path, status < 300 ? 'done' : `${status} ${text}`]).toEqual([method, path, 'done']);
}

describe('a credential of one login method', () => {
  it('of programs opens no other of the same type, also where roles and role ids are the same', async () => {
    const secrets: Record<string, string> = {};
    for (const mount of ['one', 'two']) {
      await done('POST', `sys/auth/${mount}`, { type: 'approle' });
      await done('POST', `auth/${mount}/role/r`, { token_policies: 'default' });
      await done('POST', `auth/${mount}/role/r/role-id`, { role_id: 'the-same-id' });
      secrets[mount] = (await ask('POST', `auth/${mount}/role/r/secret-id`)).body.data.secret_id;
    }
    const login = (mount: string, of: string) =>
      ask('POST', `auth/${mount}/login`, { role_id: 'the-same-id', secret_id: secrets[of] }, null);

    expect(await login('one', 'two')).toMatchObject({
      status: 400,
      body: { errors: ['invalid role or secret ID'] },
    });
    expect(await login('two', 'one')).toMatchObject({ status: 400 });
    expect((await login('one', 'one')).status).toBe(200);
    // Nor does it come back with another mount at its old path.
    await done('DELETE', 'sys/auth/one');
    await done('POST', 'sys/auth/one', { type: 'approle' });
    await done('POST', 'auth/one/role/r', { token_policies: 'default' });
    await done('POST', 'auth/one/role/r/role-id', { role_id: 'the-same-id' });
    expect((await login('one', 'one')).status).toBe(400);
  });

  it('of people opens no other of the same type', async () => {
    for (const [mount, password] of [
      ['staff', 'pearl-of-staff'],
      ['guests', 'pearl-of-guests'],
    ]) {
      await done('POST', `sys/auth/${mount}`, { type: 'userpass' });
      await done('POST', `auth/${mount}/users/ada`, { password });
    }

    const login = (mount: string, password: string) =>
      ask('POST', `auth/${mount}/login/ada`, { password }, null);

    expect((await login('staff', 'pearl-of-guests')).status).toBe(400);
    expect((await login('guests', 'pearl-of-staff')).status).toBe(400);
    expect((await login('staff', 'pearl-of-staff')).status).toBe(200);
  });
});

describe('a token of one environment with every right there', () => {
  let dev: string;
  let prodAccessor: string;
  beforeAll(async () => {
    for (const name of ['dev', 'prod']) {
      const environment = `shop/${name}`;
      await done('POST', `sys/mounts/${name}-kv`, { type: 'kv', options: { version: '2' }, environment });
      await done('POST', `sys/mounts/${name}-keys`, { type: 'transit', environment });
      await done('POST', `sys/auth/${name}-robots`, { type: 'approle', environment });
      await done('POST', `${name}-kv/data/a`, { data: { k: `pearl-of-${name}` } });
      await done('POST', `${name}-keys/keys/k`, { exportable: true });
      await done('POST', `auth/${name}-robots/role/r`, { token_policies: 'all' });
    }
    const every = '["create", "read", "update", "patch", "delete", "list", "sudo"]';
    await done('PUT', 'sys/policies/acl/all', { policy: `path "*" { capabilities = ${every} }` });
    const signIn = async (name: string) => {
      const { role_id } = (await ask('GET', `auth/${name}-robots/role/r/role-id`)).body.data;
      const { secret_id } = (await ask('POST', `auth/${name}-robots/role/r/secret-id`)).body.data;
      return (await ask('POST', `auth/${name}-robots/login`, { role_id, secret_id }, null)).body.auth;
    };
    dev = (await signIn('dev')).client_token;
    prodAccessor = (await signIn('prod')).accessor;
  });

  it.each<[string, string, object | undefined]>([
    ['GET', 'prod-kv/data/a', undefined],
    ['GET', 'prod-kv/subkeys/a', undefined],
    ['LIST', 'prod-kv/metadata', undefined],
    ['POST', 'prod-kv/data/a', { data: { k: 'mine' } }],
    ['PATCH', 'prod-kv/data/a', { data: { k: 'mine' } }],
    ['DELETE', 'prod-kv/metadata/a', undefined],
    ['POST', 'prod-kv/destroy/a', { versions: [1] }],
    ['POST', 'prod-keys/encrypt/k', { plaintext: 'YQ==' }],
    ['GET', 'prod-keys/export/encryption-key/k', undefined],
    ['POST', 'prod-keys/keys/k/rotate', {}],
    ['GET', 'auth/prod-robots/role/r/role-id', undefined],
    ['POST', 'auth/prod-robots/role/r/secret-id', {}],
    ['POST', 'auth/prod-robots/role/mine', { token_policies: 'all' }],
    ['POST', 'sys/mounts/prod-kv/tune', { description: 'mine' }],
    ['DELETE', 'sys/mounts/prod-kv', undefined],
    ['DELETE', 'sys/auth/prod-robots', undefined],
    ['POST', 'sys/remount', { from: 'prod-kv', to: 'dev-kv-too' }],
    ['POST', 'sys/mounts/mine', { type: 'kv', environment: 'shop/prod' }],
    ['POST', 'auth/token/create', { policies: ['all'], environments: ['shop/prod'] }],
    ['POST', 'auth/token/create', { policies: ['all'], environments: ['*'] }],
    ['POST', 'auth/token/create-orphan', { policies: ['all'], environments: ['shop/dev', 'shop/prod'] }],
    ['PUT', 'sys/policies/acl/all', { policy: 'path "*" { capabilities = ["deny"] }' }],
    ['PUT', 'sys/leases/revoke-prefix/auth/prod-robots', {}],
  ])('is refused in another one: %s %s', async (method, path, body) => {
    const { status, text } = await ask(method, path, body, dev);

    expect([400, 403, 404]).toContain(status);
    expect(text).not.toMatch(/pearl-of-prod|hvs\.|vault:v\d/);
  });

  it('learns and ends no token of another one by its accessor', async () => {
    for (const path of ['lookup-accessor', 'renew-accessor', 'revoke-accessor']) {
      const { status } = await ask('POST', `auth/token/${path}`, { accessor: prodAccessor }, dev);
      expect([path, status]).toEqual([path, expect.toBeOneOf([400, 403, 404])]);
    }
    expect((await ask('POST', 'auth/token/lookup-accessor', { accessor: prodAccessor })).status).toBe(200);
    const { text } = await ask('LIST', 'auth/token/accessors', undefined, dev);
    expect(text).not.toContain(prodAccessor);
  });

  it('is of use in its own, and left the other as it was', async () => {
    expect((await ask('GET', 'dev-kv/data/a', undefined, dev)).body.data.data).toEqual({ k: 'pearl-of-dev' });
    const { body } = await ask('GET', 'prod-kv/data/a');
    expect(body.data).toMatchObject({ data: { k: 'pearl-of-prod' }, metadata: { version: 1 } });
    expect((await ask('GET', 'prod-keys/keys/k')).body.data.latest_version).toBe(1);
    expect((await ask('LIST', 'auth/prod-robots/role')).body.data.keys).toEqual(['r']);
    expect(await ask('GET', 'prod-kv/data/a', undefined, dev)).toMatchObject(denied);
  });

  it('brings no ciphertext over: what one environment encrypted opens in no other', async () => {
    const { ciphertext } = (await ask('POST', 'prod-keys/encrypt/k', { plaintext: 'cGVhcmw=' })).body.data;

    const { status, text } = await ask('POST', 'dev-keys/decrypt/k', { ciphertext }, dev);

    expect(status).toBe(400);
    expect(text).not.toContain('cGVhcmw=');
  });
});

describe('a wrapping token', () => {
  const wrap = async (): Promise<string> => {
    const answer = await vault.request('POST', 'sys/wrapping/wrap', {
      body: { secret: 'pearl' },
      headers: { 'x-vault-wrap-ttl': '60' },
    });
    return answer.body.wrap_info.token;
  };
  /** Handed over in one go, so that all of them are decided in one batch. */
  const together = async (paths: readonly string[], token: string, own: (at: number) => boolean) => {
    const deadline = () => new AbortController().signal;
    const asked = paths.map((path, at) =>
      vault.vault.pipeline.answer(
        {
          id: randomUUID(),
          method: 'POST',
          path,
          listing: false,
          help: false,
          query: {},
          body: own(at) ? {} : { token },
          bodyBytes: Buffer.alloc(0),
          token: own(at) ? token : vault.rootToken,
          wrapSeconds: undefined,
          headers: {},
          remoteAddress: '127.0.0.1',
          remotePort: 1,
          certificate: undefined,
        },
        deadline,
      ),
    );
    return (await Promise.all(asked)).map(({ status, body }) => ({ status, text: body?.toString() ?? '' }));
  };

  it('gives once, asked for many times in one batch, in the header or the body', async () => {
    const token = await wrap();
    const { epoch } = vault.journal.status();

    const answers = await together(
      Array.from({ length: 24 }, () => 'sys/wrapping/unwrap'),
      token,
      (at) => at % 2 === 0,
    );

    expect(vault.journal.status().epoch).toBe(epoch + 1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ text }) => text.includes('pearl'))).toHaveLength(1);
    for (const { status } of answers) expect([200, 400]).toContain(status);
  });

  it('is wrapped anew or opened, not both, in one batch', async () => {
    const token = await wrap();

    const answers = await together(
      ['sys/wrapping/rewrap', 'sys/wrapping/unwrap', 'sys/wrapping/rewrap'],
      token,
      () => false,
    );

    expect(answers.map(({ status }) => status)).toEqual([200, 400, 400]);
    expect(answers.map(({ text }) => text).join()).not.toContain('pearl');
    const { wrap_info } = JSON.parse(answers[0]?.text ?? '');
    expect((await ask('POST', 'sys/wrapping/unwrap', undefined, wrap_info.token)).text).toContain('pearl');
    expect((await ask('POST', 'sys/wrapping/unwrap', undefined, token)).status).toBe(400);
  });
});
