import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Methods, openMethods, refusal } from '../method/methods.fixture.ts';

let vault: Methods;
beforeAll(async () => {
  vault = await openMethods();
});
afterAll(() => vault.close());

const wrong = refusal(400, 'invalid username or password');
const locked = refusal(403, 'permission denied');
const login = (name: string, password: unknown, mount = 'userpass') =>
  vault.post(`auth/${mount}/login/${name}`, { password }, null);
const user = (name: string, body: object = {}) =>
  vault.write(`auth/userpass/users/${name}`, { password: 'pearl', ...body });

async function fail(name: string, times: number): Promise<void> {
  for (let i = 0; i < times; i++) expect(await login(name, `guess-${i}`)).toMatchObject(wrong);
}

describe('the login of a user', () => {
  it('gives a token as the user says, under any case of the name', async () => {
    await user('Ada', { token_policies: 'dev', token_ttl: 60 });

    const { status, body } = await login('aDa', 'pearl');

    expect(status).toBe(200);
    expect(body.auth).toMatchObject({
      token_policies: ['default', 'dev'],
      metadata: { username: 'ada' },
      lease_duration: 60,
    });
    const self = (await vault.get('auth/token/lookup-self', body.auth.client_token)).body.data;
    expect(self).toMatchObject({ display_name: 'userpass-ada', path: 'auth/userpass/login/aDa' });
    const entity = (await vault.get(`identity/entity/id/${body.auth.entity_id}`)).body.data;
    expect(entity.aliases[0]).toMatchObject({ name: 'ada', mount_type: 'userpass' });
  });

  it('takes a name that is a mail address, and any text as password', async () => {
    await user('ada@example.org', { password: 'ä π \0 "' });

    expect((await login('ada@example.org', 'ä π \0 "')).status).toBe(200);
    expect(await login('ada@example.org', 'ä π \0')).toMatchObject(wrong);
  });

  it('is refused alike with a wrong password and under a name nobody has', async () => {
    await user('bob');

    const answers = await Promise.all([login('bob', 'wrong'), login('nobody', 'pearl')]);

    expect(answers[0]).toMatchObject(wrong);
    expect(answers[1].text).toBe(answers[0].text);
  });

  it.each<[string, unknown, object]>([
    ['no password', undefined, refusal(400, 'missing password')],
    ['an empty one', '', refusal(400, 'missing password')],
    ['one of 2 KiB', 'x'.repeat(2048), wrong],
    ['one of 100 KiB', 'x'.repeat(100_000), { status: 400 }],
    ['a list', ['pearl'], { status: 400 }],
    ['an object', { $ne: '' }, { status: 400 }],
  ])('is refused with %s', async (_name, password, answer) => {
    await user('carl');

    expect(await login('carl', password)).toMatchObject(answer);
  });

  it('ends with the user, and another of that name begins anew', async () => {
    await user('dora');
    await vault.request('DELETE', 'auth/userpass/users/dora');
    expect(await login('dora', 'pearl')).toMatchObject(wrong);

    await user('dora', { password: 'other' });
    expect((await login('dora', 'other')).status).toBe(200);
  });

  it('stays in the environment of the mount, and within the addresses of the user', async () => {
    await vault.policy('all', 'path "*" { capabilities = ["read", "create", "update", "sudo"] }');
    await vault.write('sys/auth/prod-people', { type: 'userpass', environment: 'shop/prod' });
    await vault.write('auth/prod-people/users/eve', { password: 'pearl', token_policies: 'all' });
    await vault.write('auth/prod-people/users/far', { password: 'pearl', token_bound_cidrs: '192.0.2.1' });

    const { client_token: token } = (await login('eve', 'pearl', 'prod-people')).body.auth;
    expect(await vault.get('secret/data/a', token)).toMatchObject(locked);
    expect(await login('far', 'pearl', 'prod-people')).toMatchObject(locked);
  });
});

describe('a name with wrong passwords', () => {
  it('is locked after five, for 15 minutes, also to the right password', async () => {
    await user('frank');
    await fail('frank', 5);

    expect(await login('frank', 'pearl')).toMatchObject(locked);
    vault.clock.advance(840_000);
    expect(await login('frank', 'pearl')).toMatchObject(locked);
    vault.clock.advance(120_000);
    expect((await login('frank', 'pearl')).status).toBe(200);
  });

  it('is locked as well when nobody has it', async () => {
    await fail('ghost', 5);

    expect(await login('ghost', 'pearl')).toMatchObject(locked);
  });

  it('learns nothing from guesses that are sent at once', async () => {
    await user('grace');

    const guesses = [...Array.from({ length: 19 }, (_, i) => `guess-${i}`), 'pearl'];
    const answers = await Promise.all(guesses.map((guess) => login('grace', guess)));

    const statuses = answers.map(({ status }) => status);
    const told = statuses.filter((status) => status !== 403);
    expect(told.length).toBeLessThanOrEqual(6);
    expect(statuses.filter((status) => status === 400).length).toBeLessThanOrEqual(5);
  });

  it('begins anew after the right one, after a new one, and when nothing came for a while', async () => {
    await user('henry');
    await fail('henry', 4);
    expect((await login('henry', 'pearl')).status).toBe(200);
    await fail('henry', 4);
    vault.clock.advance(960_000);
    await fail('henry', 4);
    expect((await login('henry', 'pearl')).status).toBe(200);
    await fail('henry', 5);
    await vault.write('auth/userpass/users/henry/password', { password: 'new' });
    expect((await login('henry', 'new')).status).toBe(200);
  });

  it('is counted for one mount only', async () => {
    await vault.write('sys/auth/second', { type: 'userpass' });
    await vault.write('auth/second/users/ida', { password: 'pearl' });
    await user('ida');
    await fail('ida', 5);

    expect((await login('ida', 'pearl', 'second')).status).toBe(200);
  });
});

describe('users', () => {
  it('are shown and listed without anything of their passwords', async () => {
    await user('jane', { token_policies: ['a', 'b'], token_num_uses: 3 });

    const read = await vault.get('auth/userpass/users/jane');
    expect(read.body.data).toMatchObject({ token_policies: ['a', 'b'], token_num_uses: 3 });
    expect(Object.keys(read.body.data).every((name) => name.startsWith('token_'))).toBe(true);
    expect((await vault.request('LIST', 'auth/userpass/users')).body.data.keys).toContain('jane');
    expect(await vault.get('auth/userpass/users/none')).toMatchObject(refusal(404));
  });

  it('leave no password in the audit, neither a right nor a wrong one', async () => {
    await user('lou', { password: 'mother-of-pearl' });
    await login('lou', 'mother-of-pearl');
    await login('lou', 'mother-of-perl');

    let lines = 0;
    for await (const { line } of vault.journal.audit()) {
      lines += 1;
      expect(line.toString()).not.toContain('mother-of');
    }
    expect(lines).toBeGreaterThan(5);
  });

  it('are changed in part: the password stays when it is not given, and the policies with a new one', async () => {
    await user('kim', { token_policies: 'a' });
    await vault.write('auth/userpass/users/kim', { token_ttl: 60 });
    await vault.write('auth/userpass/users/kim/policies', { policies: 'b,c' });
    expect((await login('kim', 'pearl')).body.auth).toMatchObject({
      token_policies: ['b', 'c', 'default'],
      lease_duration: 60,
    });

    await vault.write('auth/userpass/users/kim/password', { password: 'new' });

    expect(await login('kim', 'pearl')).toMatchObject(wrong);
    expect((await login('kim', 'new')).body.auth.token_policies).toEqual(['b', 'c', 'default']);
  });

  it.each<[string, string, object, object]>([
    ['no password', 'users/lea', { token_policies: 'a' }, refusal(400, 'missing password')],
    ['a password of 2 KiB', 'users/lea', { password: 'x'.repeat(2048) }, { status: 400 }],
    ['the hash of one', 'users/lea', { password_hash: '$2a$10$x' }, { status: 400 }],
    [
      'a range that holds nothing',
      'users/lea',
      { password: 'x', token_bound_cidrs: '1.2.3' },
      { status: 400 },
    ],
    ['no new password', 'users/mia/password', {}, refusal(400, 'missing password')],
    ['a new password for nobody', 'users/lea/password', { password: 'x' }, { status: 400 }],
    ['policies for nobody', 'users/lea/policies', { policies: 'x' }, { status: 400 }],
    ['a name with a space', 'users/a%20b', { password: 'x' }, { status: 400 }],
  ])('are refused with %s', async (_name, path, body, answer) => {
    await user('mia');

    expect(await vault.post(`auth/userpass/${path}`, body)).toMatchObject(answer);
    expect((await vault.get('auth/userpass/users/lea')).status).toBe(404);
  });
});
