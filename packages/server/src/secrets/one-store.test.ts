import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { person } from '../../test-support/fakes.ts';
import { openSecrets, type SecretsFixture, text } from './secrets.fixture.ts';

/** A secret of an environment is the same one by the native interface and by Vault's. */

let open: SecretsFixture;
let root: string;
const ann = person('ann');
const at = (path: string, environment = 'prod') => ({ project: 'orders', environment, path });

beforeAll(async () => {
  open = await openSecrets();
  root = await open.rootToken();
  await open.secrets.put(ann, {
    ...at('orders/database'),
    data: { password: text('one'), 'tls.key': text('"\n\\') },
  });
});
afterAll(() => open.close());

const ask = (method: 'GET' | 'POST' | 'LIST' | 'DELETE', path: string, body = {}) =>
  open.ask(root, method, path, body);
async function native(path: string, version?: number): Promise<Record<string, string>> {
  const { data } = await open.secrets.get(ann, {
    ...at(path),
    ...(version === undefined ? {} : { version }),
  });
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.exposeUtf8()]));
}

describe('what is written natively', () => {
  it('is read by a client of Vault, in a versioned mount of its environment', async () => {
    const { body } = await ask('GET', 'orders/prod/data/orders/database');
    expect(body.data).toMatchObject({
      data: { password: 'one', 'tls.key': '"\n\\' },
      metadata: { version: 1 },
    });

    const mounts = await ask('GET', 'sys/mounts');
    expect(mounts.body.data['orders/prod/']).toMatchObject({
      type: 'kv',
      options: { version: '2' },
      environment: 'orders/prod',
    });
    const fresh = await ask('GET', 'sys/internal/ui/mounts/orders/prod/orders/database');
    expect(fresh.body.data.path).toBe('orders/prod/');
  });

  it('makes no mount when it is only asked for', async () => {
    await expect(open.secrets.get(ann, at('x', 'typo'))).rejects.toMatchObject({ kind: 'not_found' });
    expect(await open.secrets.list(ann, { project: 'orders', environment: 'typo' })).toEqual([]);

    expect((await ask('GET', 'sys/mounts')).body.data['orders/typo/']).toBeUndefined();
  });

  it('goes nowhere when another mount is in its place', async () => {
    for (const [path, type, options] of [
      ['team', 'kv', { version: '2' }],
      ['flat/prod', 'kv', { version: '1' }],
      ['keys/prod', 'transit', {}],
    ] as const)
      expect((await ask('POST', `sys/mounts/${path}`, { type, options })).status).toBe(204);

    for (const project of ['team', 'flat', 'keys', 'sys', 'auth', 'identity']) {
      const put = open.secrets.put(ann, { project, environment: 'prod', path: 'x', data: { k: text('v') } });
      await expect(put, project).rejects.toMatchObject({ kind: 'precondition', code: 'vault.mount_taken' });
    }
    const get = open.secrets.get(ann, { project: 'flat', environment: 'prod', path: 'x' });
    await expect(get).rejects.toMatchObject({ code: 'vault.mount_taken' });
    const below = open.secrets.get(ann, { project: 'team', environment: 'prod', path: 'x' });
    await expect(below).rejects.toMatchObject({ kind: 'not_found' });
  });
});

describe('what a client of Vault writes', () => {
  it('is the next version, and names its writer', async () => {
    await ask('POST', 'orders/prod/data/orders/database', { data: { password: 'two' }, options: { cas: 1 } });

    expect(await native('orders/database')).toEqual({ password: 'two' });
    const versions = await open.secrets.versions(ann, at('orders/database'));
    expect(versions.map(({ version, createdBy }) => [version, createdBy])).toEqual([
      [1, 'psn_ann'],
      [2, 'root'],
    ]);
    const stale = open.secrets.put(ann, { ...at('orders/database'), data: { k: text('v') }, cas: 1 });
    await expect(stale).rejects.toMatchObject({ code: 'secrets.version_conflict', details: { current: 2 } });
  });

  it('is read as it was written when it is no text', async () => {
    const data = { port: 5432, on: true, none: null, list: [1, 'a'], deep: { a: 'b' }, text: 'é\u0000' };
    await ask('POST', 'orders/prod/data/odd', { data });

    expect(await native('odd')).toEqual({
      port: '5432',
      on: 'true',
      none: 'null',
      list: '[1,"a"]',
      deep: '{"a":"b"}',
      text: 'é\u0000',
    });
  });

  it('and the native interface has no form for is refused, and granted key by key', async () => {
    const data = { 'a key': 'x', plain: 'y' };
    await ask('POST', 'orders/prod/data/foreign', { data });
    await ask('POST', 'orders/prod/data/large', { data: { k: 'x'.repeat(65_537) } });

    for (const path of ['foreign', 'large'])
      await expect(native(path)).rejects.toMatchObject({ code: 'secrets.foreign_shape' });
    const holder = 'deployment:orders/prod/web/1';
    const wants = [{ name: 'P', ref: 'foreign#plain', delivery: 'env' as const }];
    const pinned = await open.secrets.pin({ holder, project: 'orders', environment: 'prod', wants });
    const expiresAt = new Date(open.clock.now().getTime() + 1000);
    const id = await open.test.db.write((tx) => open.secrets.grant(tx, pinned, expiresAt));
    expect((await open.secrets.redeem(id, holder)).map(({ value }) => value.exposeUtf8())).toEqual(['y']);
  });

  it('and deletes is gone natively too, from grants as well', async () => {
    await open.secrets.put(ann, { ...at('gone'), data: { k: text('v') } });
    const holder = 'deployment:orders/prod/web/2';
    const wanted = {
      holder,
      project: 'orders',
      environment: 'prod',
      wants: [{ name: 'K', ref: 'gone#k', delivery: 'env' as const }],
    };
    const pinned = await open.secrets.pin(wanted);
    const expiresAt = new Date(open.clock.now().getTime() + 1000);
    const id = await open.test.db.write((tx) => open.secrets.grant(tx, pinned, expiresAt));

    await ask('DELETE', 'orders/prod/data/gone');

    await expect(native('gone')).rejects.toMatchObject({ code: 'secrets.secret_unknown' });
    await expect(open.secrets.pin(wanted)).rejects.toMatchObject({ code: 'secrets.missing' });
    await expect(open.secrets.redeem(id, holder)).rejects.toMatchObject({ code: 'secrets.value_gone' });
    expect(await open.secrets.versions(ann, at('gone'))).toEqual([]);
    expect(await open.secrets.put(ann, { ...at('gone'), data: { k: text('w') }, cas: 1 })).toEqual({
      version: 2,
    });
  });

  it('is held to what it says of its mount: cas, duplicates', async () => {
    await ask('POST', 'orders/prod/config', { cas_required: true });
    const put = open.secrets.put(ann, { ...at('needs-cas'), data: { k: text('v') } });
    await expect(put).rejects.toMatchObject({ kind: 'invalid' });
    expect(await open.secrets.put(ann, { ...at('needs-cas'), data: { k: text('v') }, cas: 0 })).toEqual({
      version: 1,
    });
    await ask('POST', 'orders/prod/config', { cas_required: false });
  });
});
