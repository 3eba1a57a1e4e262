import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openVault, type TestAnswer, type TestVault } from '../../../../test-support/vault.ts';

let vault: TestVault;
beforeAll(async () => {
  vault = await openVault();
  await policy('parent', 'path "auth/token/create*" { capabilities = ["create", "update"] }');
  await policy('other', 'path "secret/*" { capabilities = ["read"] }');
  await policy('maker', 'path "auth/token/create" { capabilities = ["update", "sudo"] }');
});
afterAll(() => vault.close());

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
type Auth = any;

async function policy(name: string, rules: string): Promise<void> {
  await vault.request('PUT', `sys/policies/acl/${name}`, { body: { policy: rules } });
}
const create = (fields: object, token = vault.rootToken, path = 'create'): Promise<TestAnswer> =>
  vault.request('POST', `auth/token/${path}`, { token, body: fields });
async function made(fields: object, token = vault.rootToken, path = 'create'): Promise<Auth> {
  const answer = await create(fields, token, path);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body.auth;
}
async function parentOf(fields: object = {}): Promise<string> {
  return (await made({ policies: ['parent', 'default'], ttl: '1h', ...fields })).client_token;
}
const lookup = (token: string): Promise<TestAnswer> =>
  vault.request('POST', 'auth/token/lookup', { body: { token } });
const works = async (token: string): Promise<boolean> =>
  (await vault.request('GET', 'auth/token/lookup-self', { token })).status === 200;
const refusal = (status: number, error: string) => ({ status, body: { errors: [error] } });

describe('what a child token may do', () => {
  it('is what its parent may, or less', async () => {
    const parent = await parentOf();

    expect((await made({}, parent)).policies).toEqual(['default', 'parent']);
    expect((await made({ policies: ['default'] }, parent)).policies).toEqual(['default']);
    expect((await made({ policies: ['PARENT'] }, parent)).policies).toEqual(['default', 'parent']);
    expect(await create({ policies: ['parent', 'other'] }, parent)).toMatchObject(
      refusal(400, 'child policies must be subset of parent'),
    );
    expect(await create({ policies: ['root'] }, parent)).toMatchObject({ status: 400 });
    expect(await create({ policies: ['Root'] }, parent)).toMatchObject({ status: 400 });
  });

  it('does not grow by the policy default', async () => {
    const bare = (await made({ policies: ['parent'], no_default_policy: true })).client_token;

    expect((await made({}, bare)).policies).toEqual(['parent']);
    expect((await made({ policies: ['parent'] }, bare)).policies).toEqual(['parent']);
    expect(await create({ policies: ['parent', 'default'] }, bare)).toMatchObject(
      refusal(400, 'child policies must be subset of parent'),
    );
  });

  it('is anything but root where a policy gives sudo', async () => {
    const maker = (await made({ policies: ['maker'] })).client_token;

    expect((await made({ policies: ['other'] }, maker)).policies).toEqual(['default', 'other']);
    expect(await create({ policies: ['root'] }, maker)).toMatchObject(
      refusal(400, 'root tokens may not be created without parent token being root'),
    );
  });

  it('is bound to the addresses its parent is bound to', async () => {
    await vault.request('POST', 'auth/token/roles/here', { body: { token_bound_cidrs: ['127.0.0.0/8'] } });
    const parent = (await made({ policies: ['parent'] }, vault.rootToken, 'create/here')).client_token;
    const child = await made({}, parent);

    expect((await lookup(child.client_token)).body.data.bound_cidrs).toEqual(['127.0.0.0/8']);
  });

  it('reaches no environment that its parent does not', async () => {
    const parent = await parentOf({ environments: ['shop/dev'] });

    expect((await lookup((await made({}, parent)).client_token)).body.data.environments).toEqual([
      'shop/dev',
    ]);
    for (const environments of [['*'], ['shop/prod'], ['shop/dev', 'shop/prod']])
      expect(await create({ environments }, parent)).toMatchObject({ status: 400 });
  });
});

describe('what only those with sudo may ask for', () => {
  it.each([
    ['an orphan', { no_parent: true }],
    ['a period', { period: '1h' }],
    ['a token of their choice', { id: 'chosen' }],
  ])('is %s', async (_what, fields) => {
    const refused = await create(fields, await parentOf());

    expect(refused.status).toBe(400);
    expect(refused.body.errors[0]).toMatch(/^root or sudo privileges required/);
  });

  it('is the path create-orphan', async () => {
    expect((await create({}, await parentOf(), 'create-orphan')).status).toBe(403);
    expect((await made({}, vault.rootToken, 'create-orphan')).orphan).toBe(true);
  });

  it('is not to take a token that is there', async () => {
    const id = (await made({ id: 'mine', ttl: '1h' })).client_token;

    expect(id).toBe('mine');
    expect(await create({ id: 'mine' })).toMatchObject(
      refusal(400, 'cannot create a token with a duplicate ID'),
    );
    expect((await create({ id: 'hvs.mine' })).status).toBe(400);
    expect((await create({ id: '' })).status).toBe(400);
  });
});

describe('a token that may not make others', () => {
  it('is one with a number of uses, and one of type batch', async () => {
    const limited = await parentOf({ num_uses: 5 });
    const batch = await parentOf({ type: 'batch' });

    expect((await create({}, limited)).body.errors).toEqual([
      'restricted use token cannot generate child tokens',
    ]);
    expect((await create({}, batch)).body.errors).toEqual(['batch tokens cannot create more tokens']);
  });

  it.each([
    ['num_uses', { num_uses: -1 }],
    ['ttl', { ttl: '-1h' }],
    ['ttl', { ttl: 'soon' }],
    ['type', { type: 'root' }],
    ['policies', { policies: { a: 'b' } }],
    ['meta', { meta: ['a', { b: 'c' }] }],
  ])('is asked for in a way that makes sense: %s', async (_name, fields) => {
    expect((await create(fields)).status).toBe(400);
  });
});

describe('the life of a token', () => {
  it('ends at its TTL, also when no sweep has come by', async () => {
    const { client_token } = await made({ ttl: '10m' });

    vault.clock.advance(500_000);
    expect(await works(client_token)).toBe(true);
    // The clock of leases goes on by itself as well, so the fixed one is a little behind it.
    vault.clock.advance(200_000);
    expect(await works(client_token)).toBe(false);
    expect(await lookup(client_token)).toMatchObject(refusal(403, 'bad token'));
  });

  it('is renewed from now, never past its maximum', async () => {
    const { client_token } = await made({ ttl: '10m', explicit_max_ttl: '15m' });
    const renew = async (increment: string) =>
      (await vault.request('POST', 'auth/token/renew', { body: { token: client_token, increment } })).body;

    vault.clock.advance(300_000);
    expect((await renew('2m')).auth.lease_duration).toBe(120);
    const capped = await renew('1h');
    // What is left of a quarter of an hour after five minutes.
    expect(Math.abs(capped.auth.lease_duration - 600)).toBeLessThan(60);
    expect(capped.warnings[0]).toContain('capped accordingly');
    vault.clock.advance(900_000);
    expect(await works(client_token)).toBe(false);
  });

  it('of a periodic one goes on for as long as it is renewed', async () => {
    const { client_token } = await made({ period: '10m' });

    for (let hour = 0; hour < 24 * 40; hour += 160) {
      vault.clock.advance(540_000);
      const renewed = await vault.request('POST', 'auth/token/renew-self', {
        token: client_token,
        body: { increment: '99h' },
      });
      expect(renewed.body.auth.lease_duration).toBe(600);
    }
  });

  it('cannot be renewed when it was made so, or is of type batch', async () => {
    for (const fields of [{ renewable: false }, { type: 'batch' }]) {
      const { client_token } = await made({ ttl: '1h', ...fields });
      const answer = await vault.request('POST', 'auth/token/renew-self', { token: client_token });
      expect(answer).toMatchObject(refusal(400, 'lease is not renewable'));
    }
  });

  it('has no end only for root tokens made by such', async () => {
    const endless = await made({ policies: ['root'] });
    const short = await made({ policies: ['root'], ttl: '1h' });

    expect(endless.lease_duration).toBe(0);
    expect(short.lease_duration).toBe(3600);
    expect((await made({}, short.client_token)).lease_duration).toBeGreaterThan(0);
    expect((await made({ policies: ['default'] })).lease_duration).toBeGreaterThan(0);
  });
});

describe('revoking', () => {
  const revoke = (path: string, body: object = {}, token = vault.rootToken): Promise<TestAnswer> =>
    vault.request('POST', `auth/token/${path}`, { token, body });

  it('takes the whole tree along, and nothing beside it', async () => {
    const parent = await parentOf();
    const sibling = (await made({ ttl: '1h' }, parent)).client_token;
    const child = (await made({ policies: ['parent', 'default'], ttl: '1h' }, parent)).client_token;
    const grandchild = (await made({ ttl: '1h' }, child)).client_token;
    await vault.request('PUT', 'cubbyhole/mine', { token: grandchild, body: { a: 'b' } });

    expect((await revoke('revoke', { token: child })).status).toBe(204);

    expect([await works(parent), await works(sibling)]).toEqual([true, true]);
    expect([await works(child), await works(grandchild)]).toEqual([false, false]);
  });

  it('of a parent alone leaves its children without one', async () => {
    const parent = await parentOf();
    const child = (await made({ ttl: '1h' }, parent)).client_token;
    expect((await revoke('revoke-orphan', { token: parent })).status).toBe(204);

    expect(await works(parent)).toBe(false);
    expect((await lookup(child)).body.data.orphan).toBe(true);
    expect((await revoke('revoke-orphan', { token: child }, await parentOf())).status).toBe(403);
  });

  it('does not reach orphans', async () => {
    const maker = (await made({ policies: ['maker'], ttl: '1h' })).client_token;
    const orphan = (await made({ no_parent: true, ttl: '1h' }, maker)).client_token;
    await revoke('revoke', { token: maker });

    expect([await works(maker), await works(orphan)]).toEqual([false, true]);
  });

  it('of a token that is gone is what was asked', async () => {
    const { client_token } = await made({ ttl: '1h' });

    expect((await revoke('revoke-self', {}, client_token)).status).toBe(204);
    expect((await revoke('revoke', { token: client_token })).status).toBe(204);
    expect((await revoke('revoke-self', {}, client_token)).status).toBe(403);
    expect((await revoke('revoke', {})).status).toBe(400);
  });
});

describe('an accessor', () => {
  it('names a token, and is none', async () => {
    const { accessor, client_token } = await made({ ttl: '1h' });
    const shown = await vault.request('POST', 'auth/token/lookup-accessor', { body: { accessor } });

    expect(shown.body.data).toMatchObject({ accessor, id: '' });
    expect(shown.text).not.toContain(client_token);
    expect(await works(accessor)).toBe(false);
    expect(await lookup(accessor)).toMatchObject(refusal(403, 'bad token'));
    for (const other of [client_token, 'x', '../id', accessor.slice(1), `${accessor}x`])
      expect(
        await vault.request('POST', 'auth/token/lookup-accessor', { body: { accessor: other } }),
      ).toMatchObject(refusal(400, 'invalid accessor'));
  });

  it('renews and revokes, and shows no token doing so', async () => {
    const { accessor, client_token } = await made({ ttl: '1h' });
    const renewed = await vault.request('POST', 'auth/token/renew-accessor', { body: { accessor } });

    expect(renewed.body.auth).toMatchObject({ accessor, client_token: '' });
    expect((await vault.request('POST', 'auth/token/revoke-accessor', { body: { accessor } })).status).toBe(
      204,
    );
    expect(await works(client_token)).toBe(false);
  });

  it('is not listed of batch tokens and of those whose time is up', async () => {
    const [batch, brief, kept] = [
      await made({ type: 'batch', ttl: '1h' }),
      await made({ ttl: '1m' }),
      await made({ ttl: '1h' }),
    ];
    vault.clock.advance(120_000);
    const { keys } = (await vault.request('LIST', 'auth/token/accessors')).body.data;

    expect(batch.accessor).toBe('');
    expect(keys).toContain(kept.accessor);
    expect(keys).not.toContain(brief.accessor);
  });
});

describe('a role for tokens', () => {
  const role = (name: string, fields: object): Promise<TestAnswer> =>
    vault.request('POST', `auth/token/roles/${name}`, { body: fields });
  const byRole = (name: string, fields: object = {}, token?: string): Promise<TestAnswer> =>
    create(fields, token, `create/${name}`);

  it('gives its policies, and takes no others', async () => {
    await role('ci', { allowed_policies: 'other,team', disallowed_policies: 'secret-*' });

    expect((await byRole('ci')).body.auth.policies).toEqual(['default', 'other', 'team']);
    expect((await byRole('ci', { policies: ['team'] })).body.auth.policies).toEqual(['default', 'team']);
    for (const policies of [['parent'], ['other', 'parent'], ['root']])
      expect((await byRole('ci', { policies })).status).toBe(400);
  });

  it('gives a holder more than their own policies, and never root', async () => {
    await role('up', { allowed_policies_glob: '*', disallowed_policies: 'other' });
    const parent = await parentOf();

    expect((await byRole('up', { policies: ['elsewhere'] }, parent)).body.auth.policies).toEqual([
      'default',
      'elsewhere',
    ]);
    expect((await byRole('up', { policies: ['other'] }, parent)).status).toBe(400);
    expect((await byRole('up', { policies: ['root'] }, parent)).status).toBe(400);
  });

  it('without lists of policies gives what the parent has', async () => {
    await role('plain', {});
    const parent = await parentOf();

    expect((await byRole('plain', {}, parent)).body.auth.policies).toEqual(['default', 'parent']);
    expect((await byRole('plain', { policies: ['other'] }, parent)).status).toBe(400);
  });

  it('says how long, how often, from where and of which kind', async () => {
    await role('tight', {
      orphan: true,
      renewable: false,
      token_explicit_max_ttl: '10m',
      token_num_uses: 3,
      token_bound_cidrs: ['10.0.0.0/8'],
      token_no_default_policy: true,
      allowed_policies: 'other',
    });
    const { auth } = (await byRole('tight', { ttl: '99h', explicit_max_ttl: '5m' })).body;

    expect(auth).toMatchObject({
      orphan: true,
      renewable: false,
      lease_duration: 300,
      num_uses: 3,
      policies: ['other'],
    });
    // Used from elsewhere it looks like none at all.
    expect(await vault.request('GET', 'auth/token/lookup-self', { token: auth.client_token })).toMatchObject(
      refusal(403, 'permission denied'),
    );
    await role('batches', { token_type: 'batch' });
    expect((await byRole('batches', { ttl: '1h' })).body.auth).toMatchObject({
      token_type: 'batch',
      accessor: '',
    });
  });

  it('is read, listed, changed in part and deleted', async () => {
    await role('kept', { allowed_policies: 'a', period: '1h' });
    await role('kept', { orphan: true });

    const shown = (await vault.request('GET', 'auth/token/roles/kept')).body.data;
    expect(shown).toMatchObject({ allowed_policies: ['a'], period: 3600, token_period: 3600, orphan: true });
    expect((await vault.request('LIST', 'auth/token/roles')).body.data.keys).toContain('kept');
    await vault.request('DELETE', 'auth/token/roles/kept');
    expect((await vault.request('GET', 'auth/token/roles/kept')).status).toBe(404);
    expect(await byRole('kept')).toMatchObject(refusal(400, 'unknown role kept'));
  });
});
