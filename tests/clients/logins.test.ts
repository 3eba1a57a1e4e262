import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import {
  createVaultClient,
  fromEnvironment,
  tokenLogin,
  userpassLogin,
  type VaultClient,
} from '@sallyport/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Scripted, scripted } from '../../packages/sdk/src/vault/scripted.fixture.ts';
import { issueServerCertificate, makeTestCa } from '../../packages/server/test-support/certificates.ts';
import { openVault, type TestVault } from '../../packages/server/test-support/vault.ts';

let vault: TestVault;
let directory: string;
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  vault = await openVault();
  directory = mkdtempSync(join(tmpdir(), 'sallyport-logins-'));
  await must('POST', 'sys/auth/jwt', { type: 'jwt' });
  await must('POST', 'auth/jwt/config', {
    jwt_validation_pubkeys: [publicKey.export({ type: 'spki', format: 'pem' })],
    bound_issuer: 'https://ci.example',
  });
  await must('POST', 'auth/jwt/role/deploy', {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: ['sallyport'],
    token_policies: ['reader'],
    token_ttl: '10m',
  });
  await must('POST', 'sys/policies/acl/reader', {
    policy: 'path "secret/data/*" { capabilities = ["read"] }',
  });
  await must('POST', 'secret/data/app', { data: { k: 'v' } });
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});
afterAll(async () => {
  await vault?.close();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

async function must(method: string, path: string, body: unknown): Promise<void> {
  const { status, text } = await vault.request(method, path, { body });
  if (status > 299) throw new Error(`${method} ${path}: ${status} ${text}`);
}

function jwt(claims: Readonly<Record<string, unknown>> = {}): string {
  const now = Math.floor(vault.clock.now().getTime() / 1000);
  const all = {
    iss: 'https://ci.example',
    sub: 'repo:a',
    aud: 'sallyport',
    iat: now,
    exp: now + 300,
    ...claims,
  };
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'ES256', typ: 'JWT' })}.${part(all)}`;
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

function clientIn(env: Readonly<Record<string, string>>): VaultClient {
  const client = createVaultClient(fromEnvironment({ VAULT_ADDR: vault.address, ...env }));
  open.push(client);
  return client;
}

const readValue = async (client: VaultClient): Promise<string | undefined> =>
  (await client.read('secret/app')).data['k']?.exposeUtf8();

describe('the environment signs in', () => {
  const role = { SALLYPORT_VAULT_ROLE: 'deploy' };

  it('with a token, or a file of one that somebody keeps fresh', async () => {
    const file = join(directory, 'token');
    writeFileSync(file, `${vault.rootToken}\n`);

    expect(await readValue(clientIn({ VAULT_TOKEN: vault.rootToken }))).toBe('v');
    expect(await readValue(clientIn({ SALLYPORT_VAULT_TOKEN_FILE: file }))).toBe('v');
  });

  it('with the JWT of a step of our own, of GitLab, of a variable, or of a file', async () => {
    const file = join(directory, 'jwt');
    writeFileSync(file, jwt());
    const auth = (method: string) => ({ ...role, SALLYPORT_VAULT_AUTH: method });

    expect(await readValue(clientIn({ ...auth('jwt'), SALLYPORT_ID_TOKEN: jwt() }))).toBe('v');
    expect(await readValue(clientIn({ ...auth('gitlab'), VAULT_ID_TOKEN: jwt() }))).toBe('v');
    expect(
      await readValue(clientIn({ ...auth('jwt'), SALLYPORT_VAULT_JWT_VARIABLE: 'CI_JWT', CI_JWT: jwt() })),
    ).toBe('v');
    expect(await readValue(clientIn({ ...auth('jwt'), SALLYPORT_VAULT_JWT_FILE: file }))).toBe('v');
  });

  it('with what GitHub Actions says about the workflow', async () => {
    const actions = await scripted((request) =>
      request.headers.authorization === 'Bearer of-the-job'
        ? { status: 200, body: { value: jwt() } }
        : { status: 401 },
    );
    open.push(actions);
    const env = {
      ...role,
      SALLYPORT_VAULT_AUTH: 'github',
      SALLYPORT_VAULT_AUDIENCE: 'sallyport',
      ACTIONS_ID_TOKEN_REQUEST_URL: `${actions.address}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job',
    };

    expect(await readValue(clientIn(env))).toBe('v');
    expect(actions.seen).toEqual(['GET /token?api-version=2.0&audience=sallyport']);
    await expect(
      readValue(clientIn({ ...env, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-nobody' })),
    ).rejects.toMatchObject({ kind: 'denied', code: 'vault.github' });
    await expect(
      readValue(clientIn({ ...env, ACTIONS_ID_TOKEN_REQUEST_URL: 'http://ci.example/token' })),
    ).rejects.toMatchObject({ code: 'vault.github' });
  });

  it('with the token of a service account, read again each time', async () => {
    const file = join(directory, 'service-account');
    let login = '';
    const cluster: Scripted = await scripted((request, body) => {
      if (request.url === '/v1/auth/cluster/login') login = body;
      return { status: 200, body: { auth: { client_token: 't', lease_duration: 60, renewable: false } } };
    });
    open.push(cluster);
    writeFileSync(file, 'the "jwt"\n');
    const client = clientIn({
      VAULT_ADDR: cluster.address,
      SALLYPORT_VAULT_AUTH: 'kubernetes',
      SALLYPORT_VAULT_MOUNT: 'cluster',
      SALLYPORT_VAULT_JWT_FILE: file,
      ...role,
    });

    expect(await client.token()).toMatchObject({ seconds: 60, renewable: false });
    expect(JSON.parse(login)).toEqual({ role: 'deploy', jwt: 'the "jwt"' });
  });

  it('with the halves of an AppRole', async () => {
    await must('POST', 'sys/auth/approle', { type: 'approle' });
    await must('POST', 'auth/approle/role/app', { token_policies: 'reader' });
    const id = await vault.request('GET', 'auth/approle/role/app/role-id');
    const secret = await vault.request('POST', 'auth/approle/role/app/secret-id', { body: {} });
    const file = join(directory, 'secret-id');
    writeFileSync(file, `${secret.body.data.secret_id}\n`);

    const env = { SALLYPORT_VAULT_AUTH: 'approle', SALLYPORT_VAULT_ROLE_ID: String(id.body.data.role_id) };
    expect(await readValue(clientIn({ ...env, SALLYPORT_VAULT_SECRET_ID_FILE: file }))).toBe('v');
    await expect(
      readValue(clientIn({ ...env, SALLYPORT_VAULT_SECRET_ID_FILE: join(directory, 'nowhere') })),
    ).rejects.toMatchObject({ kind: 'not_found', code: 'vault.file' });
  });

  it.each([
    ['no address', { VAULT_ADDR: '' }, 'expected the variable SALLYPORT_ADDR or VAULT_ADDR'],
    ['an unknown method', { SALLYPORT_VAULT_AUTH: 'magic' }, 'expected SALLYPORT_VAULT_AUTH to be'],
    ['no role', { SALLYPORT_VAULT_AUTH: 'gitlab', VAULT_ID_TOKEN: 'x' }, 'SALLYPORT_VAULT_ROLE'],
    ['no JWT', { SALLYPORT_VAULT_AUTH: 'gitlab', SALLYPORT_VAULT_ROLE: 'x' }, 'VAULT_ID_TOKEN'],
    ['no authority', { VAULT_TOKEN: 'x', VAULT_CACERT: '/nowhere' }, 'VAULT_CACERT'],
  ])('but not with %s', (_what, env, message) => {
    expect(() => fromEnvironment({ VAULT_ADDR: vault.address, ...env })).toThrowError(message);
  });

  it('but not with a JWT for somebody else', async () => {
    const env = { ...role, SALLYPORT_VAULT_AUTH: 'gitlab', VAULT_ID_TOKEN: jwt({ aud: 'other' }) };

    await expect(readValue(clientIn(env))).rejects.toMatchObject({ code: expect.stringMatching(/^vault\./) });
  });
});

describe('a person', () => {
  it('signs in with a password', async () => {
    await must('POST', 'sys/auth/userpass', { type: 'userpass' });
    await must('POST', 'auth/userpass/users/ada', { password: 'p"w', token_policies: 'reader' });
    const login = (password: string) =>
      userpassLogin({ name: 'ada', password: SecretBytes.fromUtf8(password) });
    const [right, wrong] = ['p"w', 'pw'].map((password) =>
      createVaultClient({ address: vault.address, login: login(password) }),
    );
    if (right === undefined || wrong === undefined) throw new Error('expected both');
    open.push(right, wrong);

    expect(await readValue(right)).toBe('v');
    await expect(wrong.token()).rejects.toMatchObject({ code: expect.stringMatching(/^vault\./) });
  });
});

describe('over TLS', () => {
  it('only the named authority is believed', async () => {
    const ca = makeTestCa('ours');
    const { cert, key } = issueServerCertificate(ca);
    const server: Server = createServer({ cert, key }, (_request, response) => {
      response.end('{"data":{"k":"v"}}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
    const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ask = async (authority: string | undefined): Promise<string | undefined> => {
      const login = tokenLogin(SecretBytes.fromUtf8('t'));
      const client = createVaultClient({ address, login, ca: authority, attempts: 1 });
      open.push(client);
      const answer = await client.openRequest({ method: 'GET', path: 'secret/app' });
      return answer.text('data', 'k');
    };

    expect(await ask(ca.cert)).toBe('v');
    await expect(ask(undefined)).rejects.toMatchObject({ kind: 'denied', code: 'sdk.certificate' });
    await expect(ask(makeTestCa('another').cert)).rejects.toMatchObject({ code: 'sdk.certificate' });
  });
});
