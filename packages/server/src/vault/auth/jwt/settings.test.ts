import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey } from '../../credentials/jwt/token.fixture.ts';
import { createServers, loopbackCaPem } from '../../credentials/loopback.fixture.ts';
import { type Methods, openMethods, refusal } from '../method/methods.fixture.ts';

let vault: Methods;
const servers = createServers();
beforeAll(async () => {
  vault = await openMethods();
});
afterAll(async () => {
  await vault.close();
  await servers.closeAll();
});

const key = makeKey('RS256', 'a');
const role = { role_type: 'jwt', user_claim: 'sub', bound_audiences: 'a,b', policies: 'dev' };

async function issuer(status = 200) {
  const { url } = await servers.serve((request, response) => {
    const own = `https://${request.headers.host}`;
    response.writeHead(status);
    if (request.url?.startsWith('/.well-known/'))
      response.end(JSON.stringify({ issuer: own, jwks_uri: `${own}/keys` }));
    else response.end(JSON.stringify({ keys: [key.jwk] }));
  });
  return { oidc_discovery_url: url, oidc_discovery_ca_pem: loopbackCaPem };
}

describe('the configuration of a mount of signed tokens', () => {
  it('is shown without the secret of the client', async () => {
    expect(await vault.get('auth/oidc/config')).toMatchObject(refusal(404));
    const discovery = await issuer();

    const written = await vault.post('auth/oidc/config', {
      ...discovery,
      oidc_client_id: 'sallyport',
      oidc_client_secret: 'pearl',
      default_role: 'people',
    });

    expect([written.status, written.text]).toEqual([204, '']);
    const read = await vault.get('auth/oidc/config');
    expect(read.body.data).toMatchObject({ ...discovery, oidc_client_id: 'sallyport', bound_issuer: '' });
    expect(read.text).not.toContain('pearl');
    expect(read.body.data).not.toHaveProperty('oidc_client_secret');
  });

  it.each<[string, object, string]>([
    ['no source of keys', {}, 'exactly one of'],
    ['two sources', { jwks_url: 'https://a.test', jwt_validation_pubkeys: key.pem }, 'exactly one of'],
    ['plain http', { jwks_url: 'http://a.test' }, 'https'],
    [
      'a private key',
      { jwt_validation_pubkeys: key.privateKey.export({ type: 'pkcs8', format: 'pem' }) },
      '',
    ],
    ['settings for one issuer', { jwt_validation_pubkeys: key.pem, provider_config: { a: 'b' } }, 'provider'],
    ['tokens in the address', { jwt_validation_pubkeys: key.pem, oidc_response_types: 'id_token' }, 'code'],
    ['forms', { jwt_validation_pubkeys: key.pem, oidc_response_mode: 'form_post' }, 'query'],
    ['symmetric algorithms', { jwt_validation_pubkeys: key.pem, jwt_supported_algs: 'HS256' }, 'RS256'],
    ['a client without secret', { jwt_validation_pubkeys: key.pem, oidc_client_id: 'a' }, 'client_secret'],
    ['pairs that are none', { jwks_pairs: 'https://a.test' }, 'list of objects'],
  ])('refuses %s, and keeps what was', async (_name, body, text) => {
    await vault.write('auth/jwt/config', { jwt_validation_pubkeys: key.pem });

    const answer = await vault.post('auth/jwt/config', body);

    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([expect.stringContaining(text)]);
    expect((await vault.get('auth/jwt/config')).body.data.jwt_validation_pubkeys).toEqual([key.pem.trim()]);
  });

  it('asks the issuer before it is believed, unless told not to', async () => {
    const broken = await issuer(500);

    const refused = await vault.post('auth/jwt/config', broken);
    expect(refused.status).toBe(400);
    expect(refused.body.errors[0]).toMatch(/^error checking oidc discovery URL: /);
    expect((await vault.post('auth/jwt/config', { ...broken, skip_jwks_validation: true })).status).toBe(204);
    const address = { jwks_url: `${broken.oidc_discovery_url}/keys`, jwks_ca_pem: loopbackCaPem };
    expect((await vault.post('auth/jwt/config', address)).body.errors[0]).toMatch(
      /^error checking jwks URL: /,
    );
  });

  it('needs the right to write it', async () => {
    expect((await vault.post('auth/jwt/config', { jwt_validation_pubkeys: key.pem }, null)).status).toBe(403);
    expect((await vault.get('auth/jwt/role/a', null)).status).toBe(403);
  });
});

describe('roles of a login method', () => {
  it('are written, changed in part, listed and deleted', async () => {
    expect(await vault.request('LIST', 'auth/jwt/role')).toMatchObject(refusal(404));
    await vault.write('auth/jwt/role/Dev', { ...role, bound_claims: { ref: 'main' }, token_ttl: '1h' });
    await vault.write('auth/jwt/role/dev', { token_max_ttl: 7200, clock_skew_leeway: -5 });

    const { data } = (await vault.get('auth/jwt/role/dev')).body;
    expect(data).toMatchObject({
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: ['a', 'b'],
      bound_claims: { ref: 'main' },
      clock_skew_leeway: -1,
      token_policies: ['dev'],
      token_ttl: 3600,
      token_max_ttl: 7200,
    });
    expect((await vault.request('LIST', 'auth/jwt/role')).body.data).toEqual({ keys: ['dev'] });
    expect((await vault.request('DELETE', 'auth/jwt/role/DEV')).status).toBe(204);
    expect(await vault.get('auth/jwt/role/dev')).toMatchObject(refusal(404));
  });

  it.each<[string, object]>([
    ['nothing that binds it', { role_type: 'jwt', user_claim: 'sub' }],
    ['no claim for the user', { ...role, user_claim: '' }],
    ['an unknown type', { ...role, role_type: 'saml' }],
    ['claims that are no object', { ...role, bound_claims: 'ref=main' }],
    ['ranges that hold nothing', { ...role, token_bound_cidrs: '10.0.0.0/40' }],
    ['a lifetime over its maximum', { ...role, token_ttl: '2h', token_max_ttl: '1h' }],
    ['people without an address to come back to', { user_claim: 'sub', bound_audiences: 'a' }],
  ])('are refused with %s', async (_name, body) => {
    expect((await vault.post('auth/jwt/role/bad', body)).status).toBe(400);
    expect((await vault.get('auth/jwt/role/bad')).status).toBe(404);
  });

  it.each(['a%20b', '.a', `a${'b'.repeat(130)}`, 'ä'])('are refused under the name %s', async (name) => {
    expect((await vault.post(`auth/jwt/role/${name}`, role)).status).toBe(400);
  });

  it('know a creation from a change', async () => {
    await vault.policy('maker', 'path "auth/jwt/role/*" { capabilities = ["create"] }');
    const { client_token: token } = (await vault.post('auth/token/create', { policies: ['maker'] })).body
      .auth;

    expect((await vault.post('auth/jwt/role/made', role, token)).status).toBe(204);
    expect((await vault.post('auth/jwt/role/made', role, token)).status).toBe(403);
  });
});

describe('all login methods', () => {
  it('are in the catalog, can be mounted anywhere, and tell what their paths are for', async () => {
    const catalog = (await vault.request('LIST', 'sys/plugins/catalog/auth')).body.data.keys;
    for (const type of ['jwt', 'oidc', 'kubernetes', 'userpass', 'cert']) {
      expect(catalog).toContain(type);
      await vault.write(`sys/auth/deep/${type}`, { type, description: 'one more' });
      const help = (await vault.get(`auth/deep/${type}/login${type === 'userpass' ? '/x' : ''}?help=1`)).body;
      expect(help.help).toContain('Gives a token');
    }
    const mounted = (await vault.get('sys/auth')).body.data;
    expect(mounted['deep/cert/']).toMatchObject({ type: 'cert', description: 'one more' });
  });
});
