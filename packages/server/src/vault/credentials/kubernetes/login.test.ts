import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createFields } from '../../fields.ts';
import { boundedFetch } from '../fetch/bounded-fetch.ts';
import { makeKey, signToken } from '../jwt/token.fixture.ts';
import { createServers, loopbackCaPem } from '../loopback.fixture.ts';
import { createApiServer } from './api-server.fixture.ts';
import { parseKubernetesConfig } from './config.ts';
import { decideKubernetesLogin, reviewKubernetesLogin } from './login.ts';
import { parseKubernetesRole } from './role.ts';

const servers = createServers();
afterEach(() => servers.closeAll());

const now = new Date('2026-11-20T12:00:00Z');
const seconds = now.getTime() / 1000;
const key = makeKey('RS256', 'cluster');
const userName = 'system:serviceaccount:shop:orders';
const claims = {
  iss: 'https://kubernetes.default.svc',
  sub: userName,
  aud: ['vault', 'https://kubernetes.default.svc'],
  exp: seconds + 3600,
  iat: seconds,
  nbf: seconds,
  'kubernetes.io': {
    namespace: 'shop',
    serviceaccount: { name: 'orders', uid: 'uid-1' },
    pod: { name: 'orders-1', uid: 'uid-2' },
  },
};
const roleFields = {
  bound_service_account_names: 'orders',
  bound_service_account_namespaces: 'shop',
};
const roleOf = (fields: object = {}) =>
  parseKubernetesRole('web', createFields({ ...roleFields, ...fields }));
const denied = expect.objectContaining({ kind: 'denied' });
const invalid = expect.objectContaining({ kind: 'invalid' });
const unavailable = expect.objectContaining({ kind: 'unavailable', code: 'vault.upstream' });

async function cluster(settings: object = {}) {
  const api = createApiServer();
  api.reviewers.add('reviewer-token');
  const { url, count } = await servers.serve(api.listener);
  const config = parseKubernetesConfig(
    createFields({
      kubernetes_host: url,
      kubernetes_ca_cert: loopbackCaPem,
      token_reviewer_jwt: 'reviewer-token',
      ...settings,
    }),
  );
  /** A token the cluster knows, with claims that may say something else. */
  const issue = (changes: object = {}, known: object = {}) => {
    const token = signToken(key, { ...claims, ...changes });
    api.tokens.set(token, { userName, uid: 'uid-1', audiences: claims.aud, ...known });
    return token;
  };
  const login = async (token: unknown, fields: object = {}) => {
    const role = roleOf(fields);
    return decideKubernetesLogin(
      config,
      role,
      await reviewKubernetesLogin(boundedFetch, config, role, token),
      now,
    );
  };
  return { api, config, issue, login, count };
}

describe('a login of a service account', () => {
  it('is what the API server says it is', async () => {
    const { issue, login } = await cluster();

    expect(await login(issue())).toEqual({
      alias: {
        name: 'uid-1',
        metadata: {
          service_account_uid: 'uid-1',
          service_account_name: 'orders',
          service_account_namespace: 'shop',
          service_account_secret_name: '',
        },
      },
      metadata: {
        service_account_uid: 'uid-1',
        service_account_name: 'orders',
        service_account_namespace: 'shop',
        service_account_secret_name: '',
        role: 'web',
      },
      groups: [],
      displayName: 'shop-orders',
    });
  });

  it('may come with a token of a secret, from before bound tokens', async () => {
    const { api, login } = await cluster();
    const token = signToken(key, {
      iss: 'kubernetes/serviceaccount',
      sub: userName,
      'kubernetes.io/serviceaccount/namespace': 'shop',
      'kubernetes.io/serviceaccount/service-account.name': 'orders',
      'kubernetes.io/serviceaccount/service-account.uid': 'uid-1',
      'kubernetes.io/serviceaccount/secret.name': 'orders-token-x',
    });
    api.tokens.set(token, { userName, uid: 'uid-1', audiences: ['https://kubernetes.default.svc'] });

    expect((await login(token)).metadata['service_account_secret_name']).toBe('orders-token-x');
  });

  it('may review itself, where it has the right', async () => {
    const { api, issue, login } = await cluster({ token_reviewer_jwt: '' });
    const token = issue();

    await expect(login(token)).rejects.toThrow(denied);
    api.selfReview = true;
    expect((await login(token)).displayName).toBe('shop-orders');
  });

  it.each([
    [{ bound_service_account_names: '*' }],
    [{ bound_service_account_names: ['x', 'ord*'] }],
    [{ bound_service_account_namespaces: 'sh*' }],
    [{ bound_service_account_namespaces: '*' }],
    [{ audience: 'vault' }],
  ])('is let in by %j', async (fields) => {
    const { issue, login } = await cluster();

    expect((await login(issue(), fields)).alias.name).toBe('uid-1');
  });

  it('has the alias that the role names', async () => {
    const { issue, login } = await cluster();

    expect((await login(issue(), { alias_name_source: 'serviceaccount_name' })).alias.name).toBe(
      'shop/orders',
    );
  });

  it.each([
    [{ bound_service_account_names: 'order' }],
    [{ bound_service_account_names: 'ORDERS' }],
    [{ bound_service_account_namespaces: ['shop2', 'sho'] }],
    [{ audience: 'other' }],
  ])('is kept out by %j', async (fields) => {
    const { issue, login } = await cluster();

    await expect(login(issue(), fields)).rejects.toThrow(denied);
  });

  it('with a token for another service is not shown to the API server', async () => {
    const { issue, login, count } = await cluster();

    await expect(login(issue({ aud: 'elsewhere' }), { audience: 'vault' })).rejects.toThrow(denied);
    expect(count()).toBe(0);
  });

  it('fails when the cluster has forgotten the token', async () => {
    const { api, issue, login } = await cluster();
    const token = issue();
    api.tokens.clear();

    await expect(login(token)).rejects.toThrow(denied);
  });

  it.each([
    ['another account', {}, { userName: 'system:serviceaccount:shop:admin' }, invalid],
    ['another namespace', {}, { userName: 'system:serviceaccount:kube-system:orders' }, invalid],
    ['a person', {}, { userName: 'alice' }, invalid],
    ['an account made anew', {}, { uid: 'uid-9' }, denied],
    ['a person with colons', {}, { userName: 'system:serviceaccount:shop:orders:x' }, invalid],
    ['other audiences', {}, { audiences: ['third'] }, denied],
    ['a forged subject', { sub: 'system:serviceaccount:kube-system:admin' }, {}, invalid],
    ['a name with a colon', withAccount({ name: 'a:b', uid: 'uid-1' }), {}, invalid],
    ['no uid', withAccount({ name: 'orders' }), {}, invalid],
    ['a list as account', withAccount([]), {}, invalid],
    [
      'legacy claims beside bound ones',
      { ...withAccount({}), 'kubernetes.io/serviceaccount/namespace': 'shop' },
      {},
      invalid,
    ],
  ])('is refused when the token and the cluster name %s', async (_name, changes, known, refusal) => {
    const { issue, login } = await cluster();

    await expect(login(issue(changes, known))).rejects.toThrow(refusal);
  });

  function withAccount(serviceaccount: object): object {
    return { 'kubernetes.io': { namespace: 'shop', serviceaccount } };
  }

  it('is refused when an authenticator does not look at audiences', async () => {
    const { url } = await servers.serve((_request, response) => {
      const status = { authenticated: true, user: { username: userName, uid: 'uid-1' } };
      response.writeHead(201).end(JSON.stringify({ kind: 'TokenReview', status }));
    });
    const { login } = await cluster({ kubernetes_host: url });

    await expect(login(signToken(key, claims))).rejects.toThrow(denied);
    expect((await login(signToken(key, { ...claims, aud: undefined }))).alias.name).toBe('uid-1');
  });

  it.each([
    ['no review', '{"kind":"Status","status":"Success"}'],
    ['another kind', '{"kind":"List","status":{"authenticated":true}}'],
    ['no JSON', 'ok'],
    ['a doubled field', '{"kind":"TokenReview","status":{"authenticated":false,"authenticated":true}}'],
    ['no user', '{"kind":"TokenReview","status":{"authenticated":true}}'],
    ['a user without uid', '{"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"a"}}}'],
    ['too much', `{"kind":"TokenReview","x":"${'x'.repeat(70_000)}"}`],
  ])('is not decided on an answer with %s', async (_name, body) => {
    const { url } = await servers.serve((_request, response) => response.writeHead(201).end(body));
    const { login } = await cluster({ kubernetes_host: url });

    await expect(login(signToken(key, claims))).rejects.toThrow(unavailable);
  });

  it.each([
    ['"true"', { authenticated: 'true' }],
    ['1', { authenticated: 1 }],
    ['nothing', {}],
    ['true and an error', { authenticated: true, error: 'expired' }],
  ])('is refused when authenticated is %s', async (_name, status) => {
    const { url } = await servers.serve((_request, response) => {
      const user = { username: userName, uid: 'uid-1' };
      response.writeHead(201).end(JSON.stringify({ kind: 'TokenReview', status: { user, ...status } }));
    });
    const { login } = await cluster({ kubernetes_host: url });

    await expect(login(signToken(key, claims))).rejects.toThrow(denied);
  });

  it.each([
    ['the reviewer has no right', { token_reviewer_jwt: 'stranger' }, ''],
    ['the path is another', {}, '/proxy'],
    ['the authority is another', { kubernetes_ca_cert: '' }, ''],
    ['the reviewer is no header', { token_reviewer_jwt: 'a\nb: c' }, ''],
  ])('waits for the operator when %s', async (_name, settings, suffix) => {
    const { config } = await cluster();
    const url = `${config.reviewUrl?.origin}${suffix}`;
    const other = parseKubernetesConfig(
      createFields({
        kubernetes_host: url,
        kubernetes_ca_cert: loopbackCaPem,
        token_reviewer_jwt: 'reviewer-token',
        ...settings,
      }),
    );

    await expect(
      reviewKubernetesLogin(boundedFetch, other, roleOf(), signToken(key, claims)),
    ).rejects.toThrow(unavailable);
  });
});

describe('keys of the cluster', () => {
  const local = parseKubernetesConfig(createFields({ pem_keys: key.pem }));
  const login = async (token: unknown, at = now) =>
    decideKubernetesLogin(
      local,
      roleOf(),
      await reviewKubernetesLogin(boundedFetch, local, roleOf(), token),
      at,
    );

  it('verify a token without a question', async () => {
    expect((await login(signToken(key, claims))).alias.name).toBe('uid-1');
  });

  it.each([
    ['another key', signToken(makeKey('RS256', 'cluster'), claims), denied],
    ['another algorithm', signToken(makeKey('ES256'), claims), denied],
    ['no end', signToken(key, { ...claims, exp: undefined }), denied],
    ['its end behind it', signToken(key, { ...claims, exp: seconds - 61 }), invalid],
    ['its beginning ahead', signToken(key, { ...claims, nbf: seconds + 61 }), invalid],
  ])('refuse a token with %s', async (_name, token, refusal) => {
    await expect(login(token)).rejects.toThrow(refusal);
  });

  it('are asked before the API server is', async () => {
    const { issue, login: both, count, api } = await cluster({ pem_keys: key.pem });
    const forged = signToken(makeKey('RS256', 'cluster'), claims);
    api.tokens.set(forged, { userName, uid: 'uid-1', audiences: claims.aud });

    await expect(both(forged)).rejects.toThrow(denied);
    expect(count()).toBe(0);
    expect((await both(issue())).alias.name).toBe('uid-1');
    expect(count()).toBe(1);
  });

  it('fail with nothing but faults, whatever the claims are', async () => {
    const json = fc.jsonValue();
    const shape = fc.record(
      {
        sub: json,
        aud: json,
        exp: json,
        iss: json,
        'kubernetes.io': fc.record({ namespace: json, serviceaccount: json }),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(shape, async (changes) => {
        const outcome = await login(signToken(key, { ...claims, ...changes })).catch(
          (error: unknown) => error,
        );
        if (isFault(outcome)) expect(['invalid', 'denied']).toContain(outcome.kind);
        else expect(outcome).toMatchObject({ alias: { name: 'uid-1' }, displayName: 'shop-orders' });
      }),
      { numRuns: 300 },
    );
  });
});

describe('settings of a cluster', () => {
  it('bind the issuer when told to', async () => {
    const bound = { disable_iss_validation: false, issuer: 'https://kubernetes.default.svc' };
    const right = await cluster(bound);
    const wrong = await cluster({ ...bound, issuer: 'https://other' });
    const absent = await cluster({ disable_iss_validation: false });

    expect((await right.login(right.issue())).alias.name).toBe('uid-1');
    await expect(wrong.login(wrong.issue())).rejects.toThrow(denied);
    await expect(absent.login(absent.issue())).rejects.toThrow(denied);
  });

  it('that change during a login make it start again', async () => {
    const one = await cluster();
    const two = await cluster();
    const role = roleOf();
    const reviewed = await reviewKubernetesLogin(boundedFetch, one.config, role, one.issue());
    const changed = expect.objectContaining({ kind: 'unavailable', code: 'vault.config_changed' });

    expect(() => decideKubernetesLogin(two.config, role, reviewed, now)).toThrow(changed);
    expect(() => decideKubernetesLogin(one.config, roleOf({ audience: 'vault' }), reviewed, now)).toThrow(
      changed,
    );
  });

  it.each([
    [{}],
    [{ kubernetes_host: 'http://10.0.0.1' }],
    [{ kubernetes_host: 'https://10.0.0.1/?a=b' }],
    [{ kubernetes_host: 'https://10.0.0.1', pem_keys: 'x' }],
  ])('%j are refused', (fields) => {
    expect(() => parseKubernetesConfig(createFields(fields))).toThrow(invalid);
  });

  it.each([
    [{ bound_service_account_names: '' }],
    [{ bound_service_account_namespaces: [] }],
    [{ bound_service_account_names: '*', bound_service_account_namespaces: '*' }],
    [{ bound_service_account_namespace_selector: '{"matchLabels":{"a":"b"}}' }],
    [{ alias_name_source: 'name' }],
  ])('a role with %j is refused', (fields) => {
    expect(() => roleOf(fields)).toThrow(invalid);
  });
});
