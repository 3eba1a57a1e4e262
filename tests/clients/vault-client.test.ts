import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import {
  appRoleLogin,
  createVaultClient,
  type LoginSource,
  tokenLogin,
  type VaultClient,
  type VaultClientOptions,
} from '@sallyport/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestVault } from '../../packages/server/test-support/vault.ts';

let vault: TestVault;
let directory: string;
const open: VaultClient[] = [];
beforeAll(async () => {
  vault = await openVault();
  directory = mkdtempSync(join(tmpdir(), 'sallyport-vault-client-'));
});
afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
});
afterAll(async () => {
  await vault?.close();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

const text = (value: string): SecretBytes => SecretBytes.fromUtf8(value);
const asRoot = (): LoginSource => tokenLogin(text(vault.rootToken));

function clientOf(options: Partial<VaultClientOptions> = {}): VaultClient {
  const client = createVaultClient({ address: vault.address, login: asRoot(), ...options });
  open.push(client);
  return client;
}

describe('secrets with versions', () => {
  it('are written, read, patched, listed, deleted, brought back and destroyed', async () => {
    const client = clientOf();

    expect(await client.write('secret/app/db', { url: text('postgres://ü\n"') }, { cas: 0 })).toEqual({
      version: 1,
    });
    expect(await client.patch('secret/app/db', { user: text('ada') })).toEqual({ version: 2 });
    const { version, data } = await client.read('secret/app/db');
    expect([version, data['url']?.exposeUtf8(), data['user']?.exposeUtf8()]).toEqual([
      2,
      'postgres://ü\n"',
      'ada',
    ]);
    expect(Object.keys((await client.read('secret/app/db', { version: 1 })).data)).toEqual(['url']);
    expect([
      await client.list('secret'),
      await client.list('secret/app'),
      await client.list('secret/no'),
    ]).toEqual([['app/'], ['db'], []]);

    await client.delete('secret/app/db');
    await expect(client.read('secret/app/db')).rejects.toMatchObject({
      kind: 'not_found',
      code: 'vault.deleted',
    });
    await client.undelete('secret/app/db', [2]);
    expect((await client.read('secret/app/db')).version).toBe(2);
    await client.destroy('secret/app/db', [1]);
    await expect(client.read('secret/app/db', { version: 1 })).rejects.toMatchObject({
      code: 'vault.destroyed',
    });
    expect(await client.metadata('secret/app/db')).toMatchObject({
      currentVersion: 2,
      versions: [
        { version: 1, destroyed: true },
        { version: 2, destroyed: false, deletedAt: '' },
      ],
    });
    await client.deleteAll('secret/app/db');
    await expect(client.metadata('secret/app/db')).rejects.toMatchObject({ kind: 'not_found' });
  });

  it('refuse a write on a version that is not current', async () => {
    const client = clientOf();
    await client.write('secret/cas', { a: text('1') });

    await expect(client.write('secret/cas', { a: text('2') }, { cas: 0 })).rejects.toMatchObject({
      kind: 'conflict',
      code: 'vault.cas_mismatch',
    });
  });

  it('keep values that are no text as they were', async () => {
    const client = clientOf();
    const json = Buffer.from('{"n":1.50,"o":{"a":[null]},"s":"x"}');
    await client.write('secret/json', { json });

    const secret = await client.read('secret/json');

    expect(secret.json.exposeUtf8()).toBe('{"n":1.50,"o":{"a":[null]},"s":"x"}');
    expect(secret.data['n']?.exposeUtf8()).toBe('1.50');
    expect(secret.data['o']?.exposeUtf8()).toBe('{"a":[null]}');
    expect(JSON.stringify(secret)).not.toContain('null]');
    secret.wipe();
    expect(() => secret.data['s']?.expose()).toThrow();
  });

  it('are nothing where nothing was written', async () => {
    await expect(clientOf().read('secret/nowhere')).rejects.toMatchObject({ code: 'vault.not_found' });
  });
});

describe('secrets without versions', () => {
  it('are the same verbs, but for what needs versions', async () => {
    const client = clientOf();

    expect(await client.write('kv1/a', { k: text('v') })).toEqual({ version: undefined });
    expect(await client.read('kv1/a')).toMatchObject({ version: undefined });
    expect(await client.list('kv1')).toEqual(['a']);
    await expect(client.patch('kv1/a', { k: text('w') })).rejects.toMatchObject({
      code: 'vault.no_versions',
    });
    await expect(client.read('kv1/a', { version: 1 })).rejects.toMatchObject({ code: 'vault.no_versions' });
    await client.delete('kv1/a');
    await expect(client.read('kv1/a')).rejects.toMatchObject({ kind: 'not_found' });
  });
});

describe('the cache', () => {
  const counting = () => ({ cache: { seconds: 60 }, mounts: { secret: 2 } }) as const;

  it('gives copies until its time is up, and forgets what was written here', async () => {
    const [client, other] = [clientOf(counting()), clientOf()];
    await other.write('secret/cached', { a: text('one') });
    const first = await client.read('secret/cached');
    await other.write('secret/cached', { a: text('two') });
    first.wipe();

    expect((await client.read('secret/cached')).data['a']?.exposeUtf8()).toBe('one');
    expect((await client.read('secret/cached', { fresh: true })).data['a']?.exposeUtf8()).toBe('two');
    expect((await client.read('secret/cached')).data['a']?.exposeUtf8()).toBe('two');
    await client.write('secret/cached', { a: text('three') });
    expect((await client.read('secret/cached')).data['a']?.exposeUtf8()).toBe('three');
  });

  it('gives what is old when nobody answers, only where that was asked for', async () => {
    const short = await openVault();
    const options = { address: short.address, login: tokenLogin(text(short.rootToken)), attempts: 1 };
    const patient = clientOf({ ...options, cache: { seconds: 0.001, staleSeconds: 60 } });
    const strict = clientOf({ ...options, cache: { seconds: 0.001 } });
    await patient.write('secret/a', { a: text('old') });
    await patient.read('secret/a');
    await strict.read('secret/a');
    await short.close();

    const stale = await patient.read('secret/a');

    expect([stale.stale, stale.data['a']?.exposeUtf8()]).toEqual([true, 'old']);
    await expect(strict.read('secret/a')).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

describe('a login with AppRole', () => {
  async function role(name: string, ttl: string): Promise<{ roleId: string; secretId: string }> {
    await vault.request('POST', 'sys/auth/approle', { body: { type: 'approle' } });
    await vault.request('POST', 'sys/policies/acl/reader', {
      body: { policy: 'path "secret/data/*" { capabilities = ["read"] }' },
    });
    await vault.request('POST', `auth/approle/role/${name}`, {
      body: { token_policies: 'reader', token_ttl: ttl, token_max_ttl: ttl },
    });
    const id = await vault.request('GET', `auth/approle/role/${name}/role-id`);
    const secret = await vault.request('POST', `auth/approle/role/${name}/secret-id`, { body: {} });
    return { roleId: String(id.body.data.role_id), secretId: String(secret.body.data.secret_id) };
  }

  it('takes the secret id from a file, and signs in again when the token has ended', async () => {
    await clientOf().write('secret/role', { a: text('1') });
    const { roleId, secretId } = await role('again', '1h');
    const file = join(directory, 'secret-id');
    writeFileSync(file, `${secretId}\n`);
    const client = clientOf({ login: appRoleLogin({ roleId, secretId: { file } }) });
    const before = (await client.token()).token.exposeUtf8();
    await client.read('secret/role');
    await vault.request('POST', 'auth/token/revoke', { body: { token: before } });

    // A refusal within seconds of signing in is taken for one: only an older token is replaced.
    await expect(client.read('secret/role')).rejects.toMatchObject({ kind: 'denied' });
    let minutes = 0;
    const late = clientOf({
      login: appRoleLogin({ roleId, secretId: text(secretId) }),
      timing: {
        now: () => {
          minutes += 1;
          return minutes * 60_000;
        },
        after: () => () => undefined,
        wait: () => () => undefined,
        random: () => 0.5,
      },
    });
    const first = (await late.token()).token.exposeUtf8();
    await vault.request('POST', 'auth/token/revoke', { body: { token: first } });

    expect((await late.read('secret/role')).data['a']?.exposeUtf8()).toBe('1');
    expect((await late.token()).token.exposeUtf8()).not.toBe(first);
  });

  it('unwraps a wrapped secret id once, and keeps it for the next login', async () => {
    await role('wrapped', '1h');
    const id = await vault.request('GET', 'auth/approle/role/wrapped/role-id');
    const wrapped = await vault.request('POST', 'auth/approle/role/wrapped/secret-id', {
      body: {},
      headers: { 'x-vault-wrap-ttl': '60' },
    });
    const wrappingToken = text(String(wrapped.body.wrap_info.token));
    const login = appRoleLogin({ roleId: String(id.body.data.role_id), secretId: { wrappingToken } });

    expect((await clientOf({ login }).token()).renewable).toBe(true);
    expect((await clientOf({ login }).token()).renewable).toBe(true);
    const stolen = appRoleLogin({ roleId: String(id.body.data.role_id), secretId: { wrappingToken } });
    await expect(clientOf({ login: stolen }).token()).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('with the wrong half is refused', async () => {
    const { roleId } = await role('wrong', '1h');

    await expect(
      clientOf({ login: appRoleLogin({ roleId, secretId: text('nonsense') }) }).token(),
    ).rejects.toMatchObject({ kind: 'invalid', code: 'vault.refused' });
  });

  it('that ends with `revoke` leaves no token behind', async () => {
    const { roleId, secretId } = await role('over', '1h');
    const client = createVaultClient({
      address: vault.address,
      login: appRoleLogin({ roleId, secretId: text(secretId) }),
    });
    const token = (await client.token()).token.exposeUtf8();

    await client.close({ revoke: true });

    expect((await vault.request('GET', 'auth/token/lookup-self', { token })).status).toBe(403);
  });
});

describe('watching', () => {
  it.each(['secret/watched', 'kv1/watched'])('tells what is there, and each change (%s)', async (path) => {
    const client = clientOf();
    const stop = new AbortController();
    const seen: (readonly [number | undefined, boolean])[] = [];
    const waiting: (() => void)[] = [];
    const watching = (async () => {
      for await (const { version, deleted } of client.watch(path, { everySeconds: 1, signal: stop.signal })) {
        seen.push([version, deleted]);
        waiting.shift()?.();
      }
    })();
    const next = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
    await next();
    for (const change of [
      () => client.write(path, { a: text('1') }),
      () => client.write(path, { a: text('2') }),
      () => client.delete(path),
    ]) {
      const told = next();
      await change();
      await told;
    }
    stop.abort();
    await watching;

    const versioned = path.startsWith('secret');
    expect(seen).toEqual([
      [undefined, true],
      [versioned ? 1 : undefined, false],
      [versioned ? 2 : undefined, false],
      [versioned ? 2 : undefined, true],
    ]);
  });

  it('needs no more than the right to read the value', async () => {
    await clientOf().write('secret/only', { a: text('1') });
    await vault.request('POST', 'sys/policies/acl/only', {
      body: { policy: 'path "secret/data/only" { capabilities = ["read"] }' },
    });
    const made = await vault.request('POST', 'auth/token/create', { body: { policies: ['only'] } });
    const client = clientOf({ login: tokenLogin(text(String(made.body.auth.client_token))) });
    const stop = new AbortController();

    for await (const change of client.watch('secret/only', { signal: stop.signal })) {
      expect(change).toEqual({ version: 1, deleted: false });
      stop.abort();
    }
    await expect(
      (async () => {
        for await (const _change of client.watch('secret/other')) throw new Error('expected a refusal');
      })(),
    ).rejects.toMatchObject({ kind: 'denied' });
  });
});
