import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createServers, loopbackCaPem } from '../../credentials/loopback.fixture.ts';
import { type Methods, openMethods, refusal } from '../method/methods.fixture.ts';
import { createProvider } from './provider.fixture.ts';

let vault: Methods;
const servers = createServers();
const secret = 'pearl';
const provider = createProvider(secret);
const redirect = 'http://localhost:8250/oidc/callback';
const expired = refusal(400, 'expired or missing OAuth state');

beforeAll(async () => {
  vault = await openMethods();
  const { url } = await servers.serve(provider.listener);
  await vault.write('auth/oidc/config', {
    oidc_discovery_url: url,
    oidc_discovery_ca_pem: loopbackCaPem,
    oidc_client_id: 'sallyport',
    oidc_client_secret: secret,
    default_role: 'people',
  });
  await vault.write('auth/oidc/role/people', {
    user_claim: 'email',
    groups_claim: 'groups',
    allowed_redirect_uris: redirect,
    oidc_scopes: 'email',
    token_policies: 'dev',
  });
});
afterAll(async () => {
  await vault.close();
  await servers.closeAll();
});

async function begin(body: object = {}): Promise<string> {
  const answer = await vault.post('auth/oidc/oidc/auth_url', { redirect_uri: redirect, ...body }, null);
  expect(answer).toMatchObject({ status: 200 });
  return answer.body.data.auth_url;
}
function approved(url: string, claims: object = {}) {
  const seconds = vault.clock.now().getTime() / 1000;
  const person = { sub: '1', email: 'ada@example.org', groups: ['ops'], iat: seconds, exp: seconds + 300 };
  return provider.approve(url, { ...person, ...claims });
}
const callback = (query: Readonly<Record<string, string>>) =>
  vault.get(`auth/oidc/oidc/callback?${new URLSearchParams(query)}`, null);

describe('the login of a person', () => {
  it('goes to the issuer and comes back with a token', async () => {
    const url = await begin({ role: 'people', client_nonce: 'cn' });
    expect(new URL(url).searchParams.get('scope')).toBe('openid email');

    const { status, body } = await callback({ ...approved(url), client_nonce: 'cn' });

    expect(status).toBe(200);
    expect(body.auth).toMatchObject({ token_policies: ['default', 'dev'], metadata: { role: 'people' } });
    const self = await vault.get('auth/token/lookup-self', body.auth.client_token);
    expect(self.body.data.display_name).toBe('oidc-ada@example.org');
  });

  it('may end with a POST', async () => {
    const answer = await vault.post('auth/oidc/oidc/callback', approved(await begin()), null);

    expect(answer.body.auth.metadata.role).toBe('people');
  });

  it('is good for one token, also when the answer comes many times at once', async () => {
    const answer = approved(await begin());
    const before = provider.exchanges();

    const all = await Promise.all(Array.from({ length: 8 }, () => callback(answer)));

    expect(provider.exchanges() - before).toBeGreaterThan(1);
    expect(all.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(400)]);
    expect(await callback(answer)).toMatchObject(expired);
  });

  it.each<[string, object, object, object, unknown]>([
    ['another client nonce', { client_nonce: 'a' }, {}, { client_nonce: 'b' }, 'invalid client_nonce'],
    ['a code nobody gave', {}, {}, { code: 'guessed' }, expect.stringContaining('refused the code')],
    ['no code', {}, {}, { code: '' }, expect.stringContaining('expected the code')],
    ['a token of another login', {}, { nonce: 'other' }, {}, 'invalid ID token nonce'],
    ['a token for somebody else', {}, { aud: 'other' }, {}, 'expected an ID token for this client'],
    ['a token without the user', {}, { email: undefined }, {}, 'claim "email" not found in token'],
    ['a refusal of the issuer', {}, {}, { error: 'access_denied' }, expect.stringContaining('access_denied')],
    ['a refusal that is a page', {}, {}, { error: '<b>' }, expect.stringMatching(/: an error$/)],
  ])('is over after %s', async (_name, start, claims, change, text) => {
    const answer = approved(await begin(start), claims);

    expect(await callback({ ...answer, ...change })).toMatchObject(refusal(400, text));
    expect(await callback({ ...answer, client_nonce: 'a' })).toMatchObject(expired);
  });

  it('has ten minutes, and leaves nothing behind', async () => {
    const answer = approved(await begin());
    vault.clock.advance(660_000);

    expect(await callback(answer)).toMatchObject(expired);
    vault.clock.advance(120_000);
    for (let i = 0; i < 3; i++) await begin();
    const { data } = (await vault.get('sys/auth/oidc')).body;
    const left = vault.journal.peek((turn) => {
      const space = turn.space('env:default/default');
      const directory = `mount/${data.uuid}/oidc-state/`;
      return space.list(directory).flatMap((minute) => space.list(directory + minute));
    });
    expect(left).toHaveLength(3);
  });

  it.each<[string, object, RegExp]>([
    [
      'an address the role does not allow',
      { redirect_uri: 'https://evil.test/' },
      /^unauthorized redirect_uri/,
    ],
    ['no address', { redirect_uri: '' }, /^missing redirect_uri/],
    ['an unknown role', { role: 'nobody' }, /could not be found/],
  ])('does not begin with %s', async (_name, body, text) => {
    const answer = await vault.post('auth/oidc/oidc/auth_url', { redirect_uri: redirect, ...body }, null);

    expect(answer).toMatchObject(refusal(400, expect.stringMatching(text)));
  });

  it('does not begin more often than the database should hold', async () => {
    const ask = () => vault.post('auth/oidc/oidc/auth_url', { redirect_uri: redirect }, null);
    let last = await ask();

    // The bound is one of a minute, which may end on the way.
    for (let asked = 0; asked < 4500 && last.status === 200; asked += 100) {
      const answers = await Promise.all(Array.from({ length: 100 }, ask));
      last = answers.find(({ status }) => status !== 200) ?? last;
    }

    expect(last).toMatchObject(refusal(429, 'too many logins at once, try again later'));
    vault.clock.advance(120_000);
    expect((await ask()).status).toBe(200);
  }, 120_000);

  it('is not for a mount without a client, nor for a role of programs', async () => {
    await vault.write('auth/jwt/config', { jwks_url: 'https://127.0.0.1:1/', skip_jwks_validation: true });
    await vault.write('auth/jwt/role/people', { user_claim: 'sub', allowed_redirect_uris: redirect });
    await vault.write('auth/oidc/role/ci', { role_type: 'jwt', user_claim: 'sub', bound_subject: 'x' });
    const ask = (mount: string, role: string) =>
      vault.post(`auth/${mount}/oidc/auth_url`, { redirect_uri: redirect, role }, null);

    expect(await ask('jwt', 'people')).toMatchObject(
      refusal(400, 'OIDC login is not configured for this mount'),
    );
    expect(await ask('oidc', 'ci')).toMatchObject(refusal(400, 'role with jwt role_type is not allowed'));
    expect(await callback({ state: 'x', code: 'y' })).toMatchObject(expired);
  });

  it('is lost when the mount changes on the way', async () => {
    const answer = approved(await begin());
    await vault.write('auth/oidc/role/people', { bound_claims: { email: 'bob@example.org' } });

    expect((await callback(answer)).status).toBe(400);
    await vault.write('auth/oidc/role/people', { bound_claims: {} });
    expect(await callback(answer)).toMatchObject(expired);
    const other = approved(await begin());
    await vault.write('auth/oidc/config', {
      oidc_discovery_url: 'https://127.0.0.1:1',
      oidc_client_id: 'sallyport',
      oidc_client_secret: secret,
      skip_jwks_validation: true,
    });
    expect((await callback(other)).status).toBe(503);
  });
});
