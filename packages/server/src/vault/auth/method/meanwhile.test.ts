import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemRandom } from '#platform';
import { openVault, type TestVault } from '../../../../test-support/vault.ts';
import { boundedFetch } from '../../credentials/fetch/bounded-fetch.ts';
import { makeKey, signToken } from '../../credentials/jwt/token.fixture.ts';
import { createApiServer } from '../../credentials/kubernetes/api-server.fixture.ts';
import { createServers, loopbackCaPem } from '../../credentials/loopback.fixture.ts';
import { createPasswords } from '../../credentials/passwords.ts';
import { createMethods } from '../methods.ts';
import { createUserpassBackend } from '../userpass/backend.ts';

const servers = createServers();
const key = makeKey('ES256', 'a');
const api = createApiServer();
let vault: TestVault;
let held: ReturnType<typeof holding>;
let keysUrl: string;
let apiUrl: string;

beforeEach(() => {
  held = holding();
});
beforeAll(async () => {
  const passwords = createPasswords({
    randomBytes: (sizeBytes) => systemRandom.bytes(sizeBytes),
    atOnce: 1,
    waiting: 2,
  });
  const verify: typeof passwords.verify = (record, password) =>
    held.after(passwords.verify(record, password));
  const methods = createMethods({ random: systemRandom, fetch: (asked) => held.after(boundedFetch(asked)) });
  vault = await openVault({
    auth: [
      ...methods.filter(({ type }) => type !== 'userpass'),
      createUserpassBackend({ ...passwords, verify }),
    ],
  });
  const keys = await servers.serve((_request, response) => {
    response.end(JSON.stringify({ keys: [key.jwk] }));
  });
  keysUrl = keys.url;
  api.reviewers.add('reviewer');
  apiUrl = (await servers.serve(api.listener)).url;
});
afterAll(async () => {
  await vault.close();
  await servers.closeAll();
});

/** Results that are held back, once `start` was called, until they are let go. */
function holding() {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isHolding = false;
  return {
    reached: reached.promise,
    start: () => {
      isHolding = true;
    },
    release: () => released.resolve(),
    async after<T>(work: Promise<T>): Promise<T> {
      const result = await work;
      if (isHolding) {
        reached.resolve();
        await released.promise;
      }
      return result;
    },
  };
}

const seconds = (): number => vault.clock.now().getTime() / 1000;
const ask = (path: string, body: object) => vault.request('POST', path, { token: null, body });
async function write(path: string, body: object): Promise<void> {
  expect(await vault.request('POST', path, { body })).toMatchObject({ status: 204 });
}
const remove = async (path: string): Promise<void> => {
  expect((await vault.request('DELETE', path)).status).toBe(204);
};

/** A login that is in the middle of its preparation while `change` is made. */
async function during(login: () => ReturnType<typeof ask>, change: () => Promise<void>) {
  held.start();
  const answer = login();
  await held.reached;
  await change();
  held.release();
  return await answer;
}

describe('what changes while a credential is checked', () => {
  it('ends the login with a password that is another by then', async () => {
    await write('auth/userpass/users/ada', { password: 'old' });

    const answer = await during(
      () => ask('auth/userpass/login/ada', { password: 'old' }),
      () => write('auth/userpass/users/ada', { password: 'new' }),
    );

    expect(answer).toMatchObject({ status: 400, body: { errors: ['invalid username or password'] } });
  });

  it.each<[string, (mount: string) => Promise<void>, number]>([
    ['other keys', (mount) => write(`auth/${mount}/config`, { jwt_validation_pubkeys: key.pem }), 503],
    ['another claim', (mount) => write(`auth/${mount}/role/ci`, { bound_subject: 'bob' }), 400],
    ['no role', (mount) => remove(`auth/${mount}/role/ci`), 400],
    ['no mount', (mount) => remove(`sys/auth/${mount}`), 403],
  ])('ends the login with a token: %s', async (name, change, status) => {
    const mount = name.replace(' ', '-');
    await write(`sys/auth/${mount}`, { type: 'jwt' });
    const address = { jwks_url: `${keysUrl}/${mount}`, jwks_ca_pem: loopbackCaPem };
    await write(`auth/${mount}/config`, { ...address, skip_jwks_validation: true });
    await write(`auth/${mount}/role/ci`, { role_type: 'jwt', user_claim: 'sub', bound_subject: 'ada' });
    const jwt = signToken(key, { sub: 'ada', iat: seconds(), exp: seconds() + 300 });

    const answer = await during(
      () => ask(`auth/${mount}/login`, { role: 'ci', jwt }),
      () => change(mount),
    );

    expect(answer.status).toBe(status);
    expect(answer.body.auth).toBeUndefined();
  });

  it('ends the login of a service account in a cluster that is another by then', async () => {
    const config = { kubernetes_ca_cert: loopbackCaPem, token_reviewer_jwt: 'reviewer' };
    await write('auth/kubernetes/config', { ...config, kubernetes_host: apiUrl });
    const bound = { bound_service_account_names: 'orders', bound_service_account_namespaces: 'shop' };
    await write('auth/kubernetes/role/web', bound);
    const sub = 'system:serviceaccount:shop:orders';
    const account = { namespace: 'shop', serviceaccount: { name: 'orders', uid: 'u' } };
    const audiences = ['https://kubernetes.default.svc'];
    const jwt = signToken(key, { sub, aud: audiences, exp: seconds() + 300, 'kubernetes.io': account });
    api.tokens.set(jwt, { userName: sub, uid: 'u', audiences });

    const answer = await during(
      () => ask('auth/kubernetes/login', { role: 'web', jwt }),
      () => write('auth/kubernetes/config', { ...config, kubernetes_host: `${apiUrl}/other` }),
    );

    expect(answer.status).toBe(503);
  });
});

describe('a flood of logins with passwords', () => {
  it('is refused beyond what may wait, and is over when it is over', async () => {
    await write('auth/userpass/users/bob', { password: 'pearl' });

    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => ask(`auth/userpass/login/nobody-${i}`, { password: 'x' })),
    );

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400, 429]));
    expect((await ask('auth/userpass/login/bob', { password: 'pearl' })).status).toBe(200);
  });
});
