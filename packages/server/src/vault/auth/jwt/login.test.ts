import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode, hmacToken, makeKey, signToken } from '../../credentials/jwt/token.fixture.ts';
import { createServers, loopbackCaPem } from '../../credentials/loopback.fixture.ts';
import { type Methods, openMethods, refusal } from '../method/methods.fixture.ts';

let vault: Methods;
const servers = createServers();
beforeAll(async () => {
  vault = await openMethods();
  await vault.write('auth/jwt/config', { jwt_validation_pubkeys: key.pem, default_role: 'ci' });
  await vault.write('auth/jwt/role/ci', { ...ciRole });
  await vault.policy('deploy', 'path "secret/data/deploy" { capabilities = ["create", "update", "read"] }');
});
afterAll(async () => {
  await vault.close();
  await servers.closeAll();
});

const key = makeKey('ES256', 'a');
const ciRole = {
  role_type: 'jwt',
  user_claim: 'sub',
  bound_audiences: 'sallyport',
  bound_claims: { ref: ['main', 'release'] },
  claim_mappings: { project: 'project' },
  token_policies: ['deploy'],
  token_ttl: '10m',
};
const claimsOf = (changes: object = {}) => {
  const seconds = vault.clock.now().getTime() / 1000;
  const base = { sub: 'repo:shop', aud: 'sallyport', ref: 'main', project: 'shop', exp: seconds + 300 };
  return { ...base, iat: seconds, ...changes };
};
const tokenOf = (changes: object = {}, signer = key) => signToken(signer, claimsOf(changes));
const login = (jwt: unknown, role: string | undefined = 'ci', mount = 'jwt') =>
  vault.post(`auth/${mount}/login`, { role, jwt }, null);

describe('a login with a signed token', () => {
  it('gives a token as the role says', async () => {
    const { status, body } = await login(tokenOf());

    expect(status).toBe(200);
    expect(body.data).toBeNull();
    expect(body.auth).toMatchObject({
      token_policies: ['default', 'deploy'],
      metadata: { role: 'ci', project: 'shop' },
      lease_duration: 600,
      renewable: true,
      token_type: 'service',
      orphan: true,
    });
    const token = body.auth.client_token;
    expect((await vault.post('secret/data/deploy', { data: { a: 1 } }, token)).status).toBe(200);
    expect((await vault.get('secret/data/other', token)).status).toBe(403);
    const self = (await vault.get('auth/token/lookup-self', token)).body.data;
    expect(self).toMatchObject({ display_name: 'jwt-repo:shop', path: 'auth/jwt/login', role: 'ci' });
    const { data: entity } = (await vault.get(`identity/entity/id/${body.auth.entity_id}`)).body;
    expect(entity.aliases).toMatchObject([{ name: 'repo:shop', metadata: { project: 'shop', role: 'ci' } }]);
  });

  it('takes the default role of the mount, PUT for POST, and any case of the role', async () => {
    const answers = await Promise.all([
      vault.request('PUT', 'auth/jwt/login', { token: null, body: { jwt: tokenOf() } }),
      login(tokenOf(), 'CI'),
    ]);

    expect(answers.map(({ status, body }) => [status, body.auth.metadata.role])).toEqual([
      [200, 'ci'],
      [200, 'ci'],
    ]);
  });

  it.each<[string, () => unknown, number, string]>([
    ['without a token', () => undefined, 400, 'missing token'],
    ['expired', () => tokenOf({ exp: claimsOf().exp - 3600, iat: claimsOf().iat - 7200 }), 400, 'expired'],
    ['for somebody else', () => tokenOf({ aud: 'other' }), 400, 'audience (aud)'],
    ['with another bound claim', () => tokenOf({ ref: 'feature' }), 400, 'claim "ref" does not match'],
    ['of another key', () => tokenOf({}, makeKey('ES256', 'a')), 400, 'no known key verifies'],
    ['with alg none', () => `${encode('{"alg":"none"}')}.${encode(JSON.stringify(claimsOf()))}.`, 400, ''],
    ['with the public key as a secret', () => hmacToken(key.pem, claimsOf(), { alg: 'HS256' }), 400, ''],
    ['no token at all', () => 'a.b.c', 400, ''],
    ['an object', () => ({}), 400, 'jwt'],
    ['16 KiB and more', () => tokenOf({ more: 'x'.repeat(20_000) }), 400, ''],
  ])('refuses one %s', async (_name, jwt, status, text) => {
    const answer = await login(jwt());

    expect(answer.status).toBe(status);
    expect(answer.body.errors).toEqual([expect.stringContaining(text)]);
    expect(answer.body.auth).toBeUndefined();
  });

  it('says which role there is not', async () => {
    await vault.write('sys/auth/bare', { type: 'jwt' });

    expect(await login(tokenOf(), 'ci', 'bare')).toMatchObject(refusal(400, 'could not load configuration'));
    await vault.write('auth/bare/config', { jwt_validation_pubkeys: key.pem });
    expect(await login(tokenOf(), '', 'bare')).toMatchObject(refusal(400, 'missing role'));
    expect(await login(tokenOf(), '../x', 'bare')).toMatchObject(
      refusal(400, 'role "../x" could not be found'),
    );
  });

  it('binds the login to the addresses of the token', async () => {
    await vault.write('auth/jwt/role/far', { ...ciRole, token_bound_cidrs: '203.0.113.0/24' });
    await vault.write('auth/jwt/role/near', { ...ciRole, token_bound_cidrs: '127.0.0.0/8' });

    expect(await login(tokenOf(), 'far')).toMatchObject(refusal(403, 'permission denied'));
    expect((await login(tokenOf(), 'near')).status).toBe(200);
  });

  it('forgets who it was when the role is gone', async () => {
    await vault.write('auth/jwt/role/brief', { ...ciRole });
    const jwt = tokenOf();
    expect((await login(jwt, 'brief')).status).toBe(200);

    await vault.request('DELETE', 'auth/jwt/role/brief');

    expect((await login(jwt, 'brief')).status).toBe(400);
  });

  it('can be wrapped, so that only who unwraps it has the token', async () => {
    const wrapped = await vault.request('POST', 'auth/jwt/login', {
      token: null,
      body: { jwt: tokenOf() },
      headers: { 'x-vault-wrap-ttl': '60' },
    });

    expect(wrapped.status).toBe(200);
    expect(wrapped.body.auth).toBeNull();
    const unwrapped = await vault.post('sys/wrapping/unwrap', {}, wrapped.body.wrap_info.token);
    expect(unwrapped.body.auth.metadata.role).toBe('ci');
    expect((await vault.get('auth/token/lookup-self', unwrapped.body.auth.client_token)).status).toBe(200);
  });
});

describe('keys at an address', () => {
  it('are fetched, and a silent issuer is not taken for a refusal', async () => {
    let down = false;
    const { url } = await servers.serve((_request, response) => {
      if (down) response.destroy();
      else response.end(JSON.stringify({ keys: [key.jwk] }));
    });
    await vault.write('sys/auth/fetched', { type: 'jwt' });
    await vault.write('auth/fetched/config', { jwks_url: `${url}/keys`, jwks_ca_pem: loopbackCaPem });
    await vault.write('auth/fetched/role/ci', ciRole);
    expect((await login(tokenOf(), 'ci', 'fetched')).status).toBe(200);

    down = true;
    await vault.write('auth/fetched/config', {
      jwks_url: `${url}/others`,
      jwks_ca_pem: loopbackCaPem,
      skip_jwks_validation: true,
    });
    expect((await login(tokenOf(), 'ci', 'fetched')).status).toBe(502);
  });
});

describe('what a login leads to', () => {
  it('stays in the environment of the mount', async () => {
    await vault.policy('all', 'path "*" { capabilities = ["create", "read", "update", "list", "sudo"] }');
    await vault.write('sys/auth/prod', { type: 'jwt', environment: 'shop/prod' });
    await vault.write('sys/mounts/prod-kv', { type: 'kv', environment: 'shop/prod' });
    await vault.write('auth/prod/config', { jwt_validation_pubkeys: key.pem });
    await vault.write('auth/prod/role/ci', { ...ciRole, token_policies: 'all' });
    await vault.write('secret/data/deploy', { data: { a: 1 } });

    const { client_token: token } = (await login(tokenOf(), 'ci', 'prod')).body.auth;

    expect((await vault.post('prod-kv/a', { b: 1 }, token)).status).toBe(204);
    expect(await vault.get('secret/data/deploy', token)).toMatchObject(refusal(403, 'permission denied'));
    const child = (await vault.post('auth/token/create', {}, token)).body.auth.client_token;
    expect((await vault.get('prod-kv/a', child)).status).toBe(200);
    expect((await vault.get('secret/data/deploy', child)).status).toBe(403);
    expect((await vault.post('auth/jwt/role/mine', ciRole, token)).status).toBe(403);
  });

  it('has the policies of external groups as long as the issuer names them', async () => {
    await vault.policy('ops', 'path "secret/data/ops" { capabilities = ["create", "update", "read"] }');
    await vault.write('auth/jwt/role/grouped', { ...ciRole, groups_claim: '/realm/groups' });
    const group = (await vault.post('identity/group', { name: 'ops', type: 'external', policies: ['ops'] }))
      .body.data.id;
    await vault.write('identity/group-alias', {
      name: 'operators',
      mount_accessor: await vault.accessor('jwt'),
      canonical_id: group,
    });
    const groups = (...names: string[]) => tokenOf({ sub: 'ada', realm: { groups: names } });

    const inside = (await login(groups('operators', 'others'), 'grouped')).body.auth;
    expect(inside.identity_policies).toEqual(['ops']);
    const write = { data: { a: 1 } };
    expect((await vault.post('secret/data/ops', write, inside.client_token)).status).toBe(200);

    const outside = (await login(groups('others'), 'grouped')).body.auth;
    expect(outside.identity_policies).toBeUndefined();
    expect((await vault.post('secret/data/ops', write, inside.client_token)).status).toBe(403);
    expect((await login(tokenOf({ sub: 'ada' }), 'grouped')).status).toBe(400);
  });

  it('fills templates of policies with the metadata of the alias', async () => {
    const accessor = await vault.accessor('jwt');
    await vault.policy(
      'own',
      `path "secret/data/{{identity.entity.aliases.${accessor}.metadata.project}}/*" { capabilities = ["create", "update"] }`,
    );
    await vault.write('auth/jwt/role/templated', { ...ciRole, token_policies: 'own' });

    const { client_token: token } = (await login(tokenOf({ sub: 'bob', project: 'till' }), 'templated')).body
      .auth;

    expect((await vault.post('secret/data/till/a', { data: {} }, token)).status).toBe(200);
    expect((await vault.post('secret/data/shop/a', { data: {} }, token)).status).toBe(403);
  });
});
