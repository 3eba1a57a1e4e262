import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey, signToken } from '../../credentials/jwt/token.fixture.ts';
import { createApiServer } from '../../credentials/kubernetes/api-server.fixture.ts';
import { createServers, loopbackCaPem } from '../../credentials/loopback.fixture.ts';
import { type Methods, openMethods, refusal } from '../method/methods.fixture.ts';

let vault: Methods;
let host: string;
const servers = createServers();
const api = createApiServer();
const key = makeKey('RS256', 'cluster');
const role = {
  bound_service_account_names: 'orders',
  bound_service_account_namespaces: 'shop',
  token_policies: 'orders',
  token_ttl: '15m',
};
const denied = refusal(403, 'permission denied');

beforeAll(async () => {
  vault = await openMethods();
  api.reviewers.add('reviewer-token');
  host = (await servers.serve(api.listener)).url;
  await vault.write('auth/kubernetes/config', {
    kubernetes_host: host,
    kubernetes_ca_cert: loopbackCaPem,
    token_reviewer_jwt: 'reviewer-token',
  });
  await vault.write('auth/kubernetes/role/web', role);
});
afterAll(async () => {
  await vault.close();
  await servers.closeAll();
});

/** A token of a service account; the cluster knows it unless `known` is false. */
function tokenOf(name = 'orders', known = true, changes: object = {}): string {
  const seconds = vault.clock.now().getTime() / 1000;
  const userName = `system:serviceaccount:shop:${name}`;
  const token = signToken(key, {
    sub: userName,
    aud: ['https://kubernetes.default.svc'],
    exp: seconds + 3600,
    iat: seconds,
    jti: crypto.randomUUID(),
    'kubernetes.io': { namespace: 'shop', serviceaccount: { name, uid: `uid-${name}` } },
    ...changes,
  });
  const audiences = ['https://kubernetes.default.svc'];
  if (known) api.tokens.set(token, { userName, uid: `uid-${name}`, audiences });
  return token;
}
const login = (jwt: unknown, asked: string | undefined = 'web', mount = 'kubernetes') =>
  vault.post(`auth/${mount}/login`, { role: asked, jwt }, null);

describe('the login of a service account', () => {
  it('gives a token as the role says', async () => {
    const { status, body } = await login(tokenOf());

    expect(status).toBe(200);
    expect(body.auth).toMatchObject({
      token_policies: ['default', 'orders'],
      lease_duration: 900,
      metadata: {
        role: 'web',
        service_account_name: 'orders',
        service_account_namespace: 'shop',
        service_account_uid: 'uid-orders',
      },
    });
    const self = (await vault.get('auth/token/lookup-self', body.auth.client_token)).body.data;
    expect(self.display_name).toBe('kubernetes-shop-orders');
    const entity = (await vault.get(`identity/entity/id/${body.auth.entity_id}`)).body.data;
    expect(entity.aliases[0]).toMatchObject({ name: 'uid-orders', mount_type: 'kubernetes' });
  });

  it.each<[string, () => unknown, string | undefined, object]>([
    ['without a token', () => '', 'web', refusal(400, 'missing jwt')],
    ['without a role', () => tokenOf(), '', refusal(400, 'missing role')],
    ['with an unknown role', () => tokenOf(), 'none', refusal(400, 'invalid role name "none"')],
    ['the cluster does not know', () => tokenOf('orders', false), 'web', denied],
    ['of another account', () => tokenOf('till'), 'web', refusal(403, 'service account name not authorized')],
    ['that is no token', () => 'a.b', 'web', { status: 400 }],
    ['whose subject is another', () => tokenOf('orders', true, { sub: 'x' }), 'web', { status: 400 }],
  ])('is refused %s', async (_name, jwt, asked, answer) => {
    expect(await login(jwt(), asked)).toMatchObject(answer);
  });

  it('does not show a token for others around', async () => {
    await vault.write('auth/kubernetes/role/aimed', { ...role, audience: 'sallyport' });
    const before = await login(tokenOf(), 'aimed');

    expect(before).toMatchObject(denied);
  });

  it('works by the keys of the cluster alone, until the token ends', async () => {
    await vault.write('sys/auth/offline', { type: 'kubernetes', environment: 'shop/prod' });
    await vault.write('auth/offline/config', { pem_keys: key.pem });
    await vault.write('auth/offline/role/web', role);
    const jwt = tokenOf('orders', false);

    const { body } = await login(jwt, 'web', 'offline');
    expect(body.auth.metadata.role).toBe('web');
    expect((await vault.get('secret/data/a', body.auth.client_token)).status).toBe(403);
    vault.clock.advance(2 * 3600_000);
    expect((await login(jwt, 'web', 'offline')).status).toBe(400);
  });

  it('refuses a flood, because each login waits for the cluster', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = await servers.serve((incoming, response) => {
      incoming.resume();
      void held.then(() => response.writeHead(500).end());
    });
    await vault.write('sys/auth/slow', { type: 'kubernetes' });
    await vault.write('auth/slow/config', {
      kubernetes_host: slow.url,
      kubernetes_ca_cert: loopbackCaPem,
    });
    await vault.write('auth/slow/role/web', role);
    const jwt = tokenOf('orders', false);

    let refused = 0;
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const answer = await login(jwt, 'web', 'slow');
        if (answer.status === 429 && ++refused === 36) release();
        return answer;
      }),
    );

    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(36);
    expect(statuses.filter((status) => status === 502)).toHaveLength(64);
    expect(slow.count()).toBe(64);
    expect(answers.find(({ status }) => status === 429)?.body.errors[0]).toMatch(/^too many logins/);
  });
});

describe('the settings of a mount for clusters', () => {
  it("are shown without the reviewer's token", async () => {
    const { body, text } = await vault.get('auth/kubernetes/config');

    expect(body.data).toEqual({
      kubernetes_host: host,
      kubernetes_ca_cert: loopbackCaPem,
      pem_keys: [],
      issuer: '',
      disable_iss_validation: true,
      disable_local_ca_jwt: false,
      token_reviewer_jwt_set: true,
    });
    expect(text).not.toContain('reviewer-token');
  });

  it('lose the reviewer when they are written without one', async () => {
    await vault.write('sys/auth/other', { type: 'kubernetes' });
    const config = { kubernetes_host: host, kubernetes_ca_cert: loopbackCaPem };
    await vault.write('auth/other/config', { ...config, token_reviewer_jwt: 'reviewer-token' });
    await vault.write('auth/other/role/web', role);
    expect((await login(tokenOf(), 'web', 'other')).status).toBe(200);

    await vault.write('auth/other/config', config);

    expect((await vault.get('auth/other/config')).body.data.token_reviewer_jwt_set).toBe(false);
    expect(await login(tokenOf(), 'web', 'other')).toMatchObject(denied);
  });

  it.each<[string, string, object]>([
    ['no cluster', 'config', {}],
    ['plain http', 'config', { kubernetes_host: 'http://10.0.0.1' }],
    [
      'every account everywhere',
      'role/x',
      { bound_service_account_names: '*', bound_service_account_namespaces: '*' },
    ],
    ['no namespace', 'role/x', { bound_service_account_names: 'a' }],
    ['a selector', 'role/x', { ...role, bound_service_account_namespace_selector: '{}' }],
  ])('are refused with %s', async (_name, path, body) => {
    expect((await vault.post(`auth/kubernetes/${path}`, body)).status).toBe(400);
  });

  it('have roles that are listed and deleted', async () => {
    await vault.write('auth/kubernetes/role/brief', role);
    expect((await vault.request('LIST', 'auth/kubernetes/role')).body.data.keys).toContain('brief');
    expect((await vault.get('auth/kubernetes/role/brief')).body.data).toMatchObject({
      bound_service_account_names: ['orders'],
      alias_name_source: 'serviceaccount_uid',
      token_ttl: 900,
    });

    await vault.request('DELETE', 'auth/kubernetes/role/brief');

    expect(await login(tokenOf(), 'brief')).toMatchObject(refusal(400, 'invalid role name "brief"'));
  });

  it('are missing at first', async () => {
    await vault.write('sys/auth/empty', { type: 'kubernetes' });

    expect(await vault.get('auth/empty/config')).toMatchObject(refusal(404));
    await vault.write('auth/empty/role/web', role);
    expect(await login(tokenOf(), 'web', 'empty')).toMatchObject(
      refusal(400, 'could not load backend configuration'),
    );
  });
});
