import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, silentLog } from '../../../test-support/fakes.ts';
import { random } from './ceremony.fixture.ts';
import { createSeal, type SealConfig } from './create-seal.ts';
import { type Answer, type Asked, must, type StrictServer, strictServer } from './strict-server.fixture.ts';

let server: StrictServer;
let folder: string;
/** Answers that come before the right one. */
let first: Answer[];
let leaseSeconds: number;
let valid: string;
const key = randomBytes(32);

/** Vault's transit engine as its API documentation has it, with one aes256-gcm96 key. */
function vault(asked: Asked): Answer {
  const early = first.shift();
  if (early !== undefined) return early;
  must(asked.method === 'POST' || asked.method === 'PUT', 'a write');
  if (asked.headers['x-vault-token'] !== valid)
    return { status: 403, body: { errors: ['permission denied'] } };
  if (asked.path === '/v1/auth/token/renew-self') {
    const auth = { client_token: valid, renewable: leaseSeconds > 0, lease_duration: leaseSeconds };
    return { status: 200, body: { auth, data: null } };
  }
  const body: Record<string, unknown> = JSON.parse(asked.body);
  const aad = Buffer.from(String(body['associated_data']), 'base64');
  if (asked.path === '/v1/seals/transit/encrypt/root') {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad);
    const plaintext = Buffer.from(String(body['plaintext']), 'base64');
    const sealed = Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return { status: 200, body: { data: { ciphertext: `vault:v1:${sealed.toString('base64')}` } } };
  }
  must(asked.path === '/v1/seals/transit/decrypt/root', 'a path of the engine');
  const [, text = ''] = /^vault:v1:(.+)$/.exec(String(body['ciphertext'])) ?? [];
  const sealed = Buffer.from(text, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(aad);
    decipher.setAuthTag(sealed.subarray(-16));
    const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
    return { status: 200, body: { data: { plaintext: plaintext.toString('base64') } } };
  } catch {
    return { status: 400, body: { errors: ['cipher: message authentication failed'] } };
  }
}

const config = (): SealConfig & { kind: 'transit' } => ({
  kind: 'transit',
  address: server.url,
  mount: 'seals/transit/',
  key: 'root',
});
const seal = (more: object = {}, environment = { VAULT_TOKEN: 'hvs.good' }) =>
  createSeal({ ...config(), ...more }, { random, clock: fixedClock(), log: silentLog, fetch, environment });
const root = (): SecretBytes => SecretBytes.from(randomBytes(32));
const renewals = (): number => server.asked.filter(({ path }) => path.endsWith('/renew-self')).length;
const until = async (condition: () => boolean): Promise<void> => {
  for (let look = 0; look < 200 && !condition(); look += 1) await new Promise((done) => setTimeout(done, 10));
};

beforeEach(async () => {
  first = [];
  leaseSeconds = 3600;
  valid = 'hvs.good';
  server = await strictServer(vault);
  folder = await mkdtemp(join(tmpdir(), 'sallyport-transit-'));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

describe('the transit seal', () => {
  it('wraps and unwraps, in its namespace, and renews the token', async () => {
    const one = seal({ namespace: 'team/a' });
    const secret = root();

    const sealed = await one.wrap(secret);

    expect((await one.unwrap(sealed)).equals(secret)).toBe(true);
    await until(() => renewals() > 0);
    expect(renewals()).toBe(1);
    expect(server.asked[0]?.headers['x-vault-namespace']).toBe('team/a');
    await one.close?.();
  });

  it('reads the token from its file each time', async () => {
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, 'hvs.good\n');
    const one = seal({ tokenFile });
    const sealed = await one.wrap(root());
    valid = 'hvs.next';
    await writeFile(tokenFile, valid);

    await expect(one.unwrap(sealed)).resolves.toBeInstanceOf(SecretBytes);
    await one.close?.();
  });

  it('goes on after short failures, and gives up after three attempts', async () => {
    const one = seal();
    first = [
      { status: 503, body: { errors: ['Vault is sealed'] } },
      { status: 429, body: {} },
    ];
    const sealed = await one.wrap(root());
    await one.close?.();
    const again = seal();
    first = [503, 500, 502, 503].map((status) => ({ status, body: {} }));

    await expect(again.unwrap(sealed)).rejects.toMatchObject({ code: 'keyring.seal_unavailable' });

    expect(first).toHaveLength(1);
    await again.close?.();
  });

  it('does not open what was changed, and asks nobody about what is no ciphertext', async () => {
    const one = seal();
    const sealed = await one.wrap(root());
    const refused = { code: 'keyring.decrypt_failed' };
    const at = sealed.length - 8;
    const changed = Uint8Array.from(sealed);
    changed[at] = changed[at] === 65 ? 66 : 65;

    await expect(one.unwrap(changed)).rejects.toMatchObject(refused);

    const decrypts = (): number => server.asked.filter(({ path }) => path.includes('/decrypt/')).length;
    const before = decrypts();
    for (const end of [10, sealed.length - 60]) {
      await expect(
        one.unwrap(Buffer.concat([sealed.slice(0, end), Buffer.from('"}\n')])),
      ).rejects.toMatchObject(refused);
    }
    expect(decrypts()).toBe(before);
    await one.close?.();
  });

  it('follows no redirect, believes no huge or broken answer, and gives no token to plain HTTP elsewhere', async () => {
    const unavailable = { code: 'keyring.seal_unavailable' };
    const hostile: readonly Answer[] = [
      { status: 302, body: '', headers: { location: `${server.url}/elsewhere` } },
      { status: 200, body: `{"data":{"ciphertext":"${'A'.repeat(100_000)}"}}` },
      { status: 200, body: '{"data":' },
      { status: 200, body: [] },
      { status: 200, body: { data: { ciphertext: 7 } } },
      { status: 200, body: { data: null } },
    ];
    for (const answer of hostile) {
      first = [answer, answer, answer];
      await expect(seal().wrap(root())).rejects.toMatchObject(unavailable);
    }
    expect(server.asked.some(({ path }) => path === '/elsewhere')).toBe(false);
    await expect(seal({ address: 'http://vault.example:8200' }).wrap(root())).rejects.toMatchObject({
      code: 'keyring.seal_address',
    });
  }, 60_000);

  it('says that the token is refused without saying the token, and refuses names that are none', async () => {
    const error: unknown = await seal({}, { VAULT_TOKEN: 'hvs.wrong-token' })
      .wrap(root())
      .catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({
      code: 'keyring.seal_unavailable',
      message: expect.stringContaining('403'),
    });
    expect(JSON.stringify(error)).not.toContain('wrong-token');
    for (const more of [{ key: '../x' }, { key: '' }, { mount: 'a//b' }, { mount: '' }]) {
      expect(() => seal(more)).toThrow(expect.objectContaining({ code: 'keyring.seal_config' }));
    }
    for (const VAULT_TOKEN of ['', 'a\r\nx-evil: 1', 'x'.repeat(5000)]) {
      await expect(seal({}, { VAULT_TOKEN }).wrap(root())).rejects.toMatchObject({
        code: 'keyring.seal_unavailable',
      });
    }
  });
});
