import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestAnswer, type TestVault } from '../../../../test-support/vault.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
  await write('sys/auth/approle', { type: 'approle' });
  await write('sys/auth/second', { type: 'approle' });
});
afterAll(() => vault.close());

const refused = { status: 400, body: { errors: ['invalid role or secret ID'] } };
const elsewhere = '203.0.113.0/24';

const write = (path: string, body: object = {}): Promise<TestAnswer> => vault.request('POST', path, { body });
const login = (roleId: string, secretId?: string, mount = 'approle'): Promise<TestAnswer> =>
  vault.request('POST', `auth/${mount}/login`, {
    token: null,
    body: { role_id: roleId, ...(secretId === undefined ? {} : { secret_id: secretId }) },
  });

async function role(name: string, fields: object = {}, mount = 'approle'): Promise<string> {
  const written = await write(`auth/${mount}/role/${name}`, { token_policies: ['default'], ...fields });
  expect(written.status).toBe(204);
  return (await vault.request('GET', `auth/${mount}/role/${name}/role-id`)).body.data.role_id;
}
// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
async function secretId(name: string, fields: object = {}, mount = 'approle'): Promise<any> {
  const made = await write(`auth/${mount}/role/${name}/secret-id`, fields);
  expect(made.status).toBe(200);
  return made.body.data;
}

describe('a login', () => {
  it('gives a token as the role says, with what the secret id says', async () => {
    const id = await role('web', { token_ttl: '10m', token_max_ttl: '1h', token_num_uses: 7 });
    const { secret_id } = await secretId('web', { metadata: JSON.stringify({ host: 'a' }) });
    const { auth } = (await login(id, secret_id)).body;

    expect(auth).toMatchObject({
      lease_duration: 600,
      num_uses: 7,
      orphan: true,
      metadata: { role_name: 'web', host: 'a' },
      token_policies: ['default'],
    });
    const again = (await login(id, secret_id)).body.auth;
    expect(again.client_token).not.toBe(auth.client_token);
    expect(again.entity_id).toBe(auth.entity_id);
  });

  it('is refused in the same words for whatever is wrong', async () => {
    const one = await role('one');
    const two = await role('two');
    const other = await role('one', {}, 'second');
    const { secret_id } = await secretId('one');
    const spent = await secretId('one', { num_uses: 1 });
    const timed = await secretId('one', { ttl: '1m' });
    const gone = await secretId('one');
    await write('auth/approle/role/one/secret-id/destroy', { secret_id: gone.secret_id });
    const far = await secretId('one', { cidr_list: [elsewhere] });
    const bound = await role('bound', { secret_id_bound_cidrs: [elsewhere] });
    const there = await secretId('bound');
    const removed = await role('removed');
    const orphaned = await secretId('removed');
    await vault.request('DELETE', 'auth/approle/role/removed');
    expect((await login(one, spent.secret_id)).status).toBe(200);
    expect((await login(one, timed.secret_id)).status).toBe(200);
    vault.clock.advance(120_000);

    for (const [what, roleId, secret, mount] of [
      ['a wrong secret id', one, 'wrong', 'approle'],
      ['a long secret id', one, 'x'.repeat(5000), 'approle'],
      ['an unknown role id', 'nobody', secret_id, 'approle'],
      ['a role id that is a path', '../one', secret_id, 'approle'],
      ['the name of the role', 'one', secret_id, 'approle'],
      ["another role's secret id", two, secret_id, 'approle'],
      ["another mount's secret id", other, secret_id, 'second'],
      ["another mount's role id", one, secret_id, 'second'],
      ['the accessor', one, gone.secret_id_accessor, 'approle'],
      ['a spent one', one, spent.secret_id, 'approle'],
      ['one whose time is up', one, timed.secret_id, 'approle'],
      ['a destroyed one', one, gone.secret_id, 'approle'],
      ['one for another address', one, far.secret_id, 'approle'],
      ['a role for another address', bound, there.secret_id, 'approle'],
      ['a role that was deleted', removed, orphaned.secret_id, 'approle'],
    ] as const)
      expect(await login(roleId, secret, mount), what).toMatchObject(refused);
    expect((await login(one, secret_id)).status).toBe(200);
  });

  it('says what is missing', async () => {
    const id = await role('web');

    expect((await login('', 'x')).body.errors).toEqual(['missing role_id']);
    expect((await login(id)).body.errors).toEqual(['missing secret_id']);
    expect((await login(id, '')).body.errors).toEqual(['missing secret_id']);
  });

  it('spends a use once, whoever comes at the same moment', async () => {
    const id = await role('burst');
    const { secret_id } = await secretId('burst', { num_uses: 2 });

    const answers = await Promise.all(Array.from({ length: 16 }, () => login(id, secret_id)));

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
    for (const answer of answers.filter(({ status }) => status !== 200))
      expect(answer).toMatchObject(refused);
  });

  it('from elsewhere takes no use of the secret id', async () => {
    const id = await role('careful', { secret_id_bound_cidrs: [elsewhere] });
    const { secret_id } = await secretId('careful', { num_uses: 1 });
    await login(id, secret_id);
    await write('auth/approle/role/careful', { secret_id_bound_cidrs: ['127.0.0.1/32'] });

    expect((await login(id, secret_id)).status).toBe(200);
  });

  it('gives a token that is bound to where the secret id says', async () => {
    const id = await role('far');
    const { secret_id } = await secretId('far', { token_bound_cidrs: [elsewhere] });
    const { auth } = (await login(id, secret_id)).body;

    const used = await vault.request('GET', 'auth/token/lookup-self', { token: auth.client_token });
    expect(used.status).toBe(403);
  });

  it('needs no secret id where the role says so and has another bound', async () => {
    const refusedRole = await write('auth/approle/role/open', { bind_secret_id: false });
    expect(refusedRole.body.errors).toEqual(['at least one constraint should be enabled on the role']);
    const id = await role('open', { bind_secret_id: false, secret_id_bound_cidrs: ['127.0.0.0/8'] });

    expect((await login(id)).status).toBe(200);
    const far = await role('open-far', { bind_secret_id: false, secret_id_bound_cidrs: [elsewhere] });
    expect(await login(far)).toMatchObject(refused);
  });

  it('never gives root', async () => {
    const id = await role('greedy', { token_policies: ['root', 'ROOT', 'default'] });
    const { secret_id } = await secretId('greedy');

    expect((await login(id, secret_id)).body.auth.policies).toEqual(['default']);
  });
});

describe('a secret id', () => {
  it('is bounded by its role', async () => {
    await role('bounded', { secret_id_num_uses: 3, secret_id_ttl: '10m' });
    const made = await secretId('bounded');

    expect(made).toMatchObject({ secret_id_num_uses: 3, secret_id_ttl: 600 });
    for (const fields of [{ num_uses: 4 }, { num_uses: 0 }, { num_uses: -1 }, { ttl: '11m' }, { ttl: 0 }])
      expect((await write('auth/approle/role/bounded/secret-id', fields)).status).toBe(400);
    expect(await secretId('bounded', { num_uses: 1, ttl: '5m' })).toMatchObject({
      secret_id_num_uses: 1,
      secret_id_ttl: 300,
    });
  });

  it('is chosen once', async () => {
    const id = await role('chosen');
    const choose = (): Promise<TestAnswer> =>
      write('auth/approle/role/chosen/custom-secret-id', { secret_id: 'ours' });

    expect((await choose()).status).toBe(200);
    expect((await choose()).body.errors).toEqual(['SecretID is already registered']);
    expect((await login(id, 'ours')).status).toBe(200);
  });

  it('is never shown by its accessor, and ends by it', async () => {
    const id = await role('shown');
    const { secret_id, secret_id_accessor } = await secretId('shown', { metadata: { a: 'b' } });
    const path = 'auth/approle/role/shown/secret-id-accessor';

    const shown = await write(`${path}/lookup`, { secret_id_accessor });
    expect(shown.body.data).toMatchObject({ metadata: { a: 'b' }, secret_id_accessor });
    expect(shown.text).not.toContain(secret_id);
    const listed = await vault.request('LIST', 'auth/approle/role/shown/secret-id');
    expect(listed.body.data.keys).toEqual([secret_id_accessor]);
    expect((await write(`${path}/destroy`, { secret_id_accessor })).status).toBe(204);
    expect(await login(id, secret_id)).toMatchObject(refused);
    expect((await write(`${path}/lookup`, { secret_id_accessor })).status).toBe(404);
    expect((await vault.request('LIST', 'auth/approle/role/shown/secret-id')).status).toBe(404);
  });

  it('goes with its role, also for a role of the same name and id that comes later', async () => {
    const id = await role('again', { role_id: 'fixed-id' });
    const { secret_id } = await secretId('again');
    await vault.request('DELETE', 'auth/approle/role/again');
    await role('again', { role_id: id });

    expect(await login(id, secret_id)).toMatchObject(refused);
  });

  it('has metadata that are texts', async () => {
    await role('meta');
    for (const metadata of ['{"a":{"b":1}}', '{"a":', { a: { b: 'c' } }])
      expect((await write('auth/approle/role/meta/secret-id', { metadata })).status).toBe(400);
    const { secret_id } = await secretId('meta', { metadata: '{"__proto__":"x","a":"b"}' });
    const shown = await write('auth/approle/role/meta/secret-id/lookup', { secret_id });
    expect(shown.body.data.metadata).toMatchObject({ a: 'b' });
  });
});

describe('a role', () => {
  it('is one whatever the case of its name', async () => {
    await role('Mixed', { token_ttl: '5m' });

    expect((await vault.request('GET', 'auth/approle/role/mIXED')).body.data.token_ttl).toBe(300);
    expect((await vault.request('LIST', 'auth/approle/role')).body.data.keys).toContain('mixed');
  });

  it('has an id of its own', async () => {
    await role('first', { role_id: 'taken' });
    await role('latest');

    expect((await write('auth/approle/role/latest/role-id', { role_id: 'taken' })).body.errors).toEqual([
      'role_id already in use',
    ]);
    for (const role_id of ['a/b', 'a b', 'x'.repeat(129), 'ü'])
      expect((await write('auth/approle/role/latest/role-id', { role_id })).status).toBe(400);
    const before = await role('latest');
    const { secret_id } = await secretId('latest');
    await write('auth/approle/role/latest/role-id', { role_id: 'moved' });
    expect(await login(before, secret_id)).toMatchObject(refused);
    expect((await login('moved', secret_id)).status).toBe(200);
  });

  it.each([
    ['policies', 'token_policies', ['a', 'b'], []],
    ['bind-secret-id', 'bind_secret_id', true, true],
    ['secret-id-num-uses', 'secret_id_num_uses', 5, 0],
    ['secret-id-ttl', 'secret_id_ttl', 60, 0],
    ['token-ttl', 'token_ttl', 60, 0],
    ['token-max-ttl', 'token_max_ttl', 60, 0],
    ['token-num-uses', 'token_num_uses', 5, 0],
    ['token-period', 'token_period', 60, 0],
  ])('has its setting at a path of its own: %s', async (path, field, value, absent) => {
    await role('single');
    const at = `auth/approle/role/single/${path}`;
    expect((await write(at, { [field]: value })).status).toBe(204);

    expect((await vault.request('GET', at)).body.data).toEqual({ [field]: value });
    expect((await vault.request('DELETE', at)).status).toBe(204);
    expect((await vault.request('GET', at)).body.data).toEqual({ [field]: absent });
  });

  it('is not there: 404 to read it, 400 to use it', async () => {
    expect((await vault.request('GET', 'auth/approle/role/none')).status).toBe(404);
    expect((await write('auth/approle/role/none/secret-id')).status).toBe(400);
    expect((await vault.request('DELETE', 'auth/approle/role/none')).status).toBe(204);
  });
});
