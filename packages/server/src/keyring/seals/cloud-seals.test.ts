import {
  constants,
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import { importSPKI, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedClock, silentLog } from '../../../test-support/fakes.ts';
import type { Environment } from './aws-credentials.ts';
import { random } from './ceremony.fixture.ts';
import { createSeal, type SealConfig } from './create-seal.ts';
import { unpackNamed } from './named-blob.ts';
import { sealAad } from './remote-seal.ts';
import { type Answer, type Asked, must, type StrictServer, strictServer } from './strict-server.fixture.ts';

/**
 * No emulator of Google Cloud KMS or Azure Key Vault could be had from the package registries, so these servers stand in
 * for them: they check each request as the services' references say, and encrypt for real.
 */
let folder: string;
let server: StrictServer | undefined;
const clock = fixedClock('2026-11-20T12:00:00.000Z');
const root = (): SecretBytes => SecretBytes.from(randomBytes(32));
const seal = (config: SealConfig, environment: Environment = {}) =>
  createSeal(config, { random, clock, log: silentLog, fetch, environment });
const json = (body: string): Record<string, unknown> => JSON.parse(body);
const bytes = (value: unknown): Buffer => Buffer.from(String(value), 'base64url');
const notFound: Answer = { status: 404, body: { error: { code: 404, status: 'NOT_FOUND' } } };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-cloud-'));
});
afterEach(async () => {
  await server?.close();
  await rm(folder, { recursive: true });
});

/** AES-256-GCM with associated data, as both Google's service and transit do inside. */
function box(): { close(plaintext: Buffer, aad: Buffer): Buffer; open(sealed: Buffer, aad: Buffer): Buffer } {
  const key = randomBytes(32);
  return {
    close(plaintext, aad) {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad);
      return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed, aad) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(aad);
      decipher.setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
    },
  };
}

describe('Google Cloud KMS', () => {
  const name = 'projects/p/locations/global/keyRings/r/cryptoKeys/k';
  const account = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { format: 'pem', type: 'spki' },
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
  });
  let kms = box();

  async function google(asked: Asked): Promise<Answer> {
    if (asked.path === '/token') {
      const form = new URLSearchParams(asked.body);
      must(form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer', 'a JWT grant');
      const key = await importSPKI(account.publicKey, 'RS256');
      const { payload, protectedHeader } = await jwtVerify(form.get('assertion') ?? '', key, {
        issuer: 'sallyport@p.iam.gserviceaccount.com',
        audience: `${server?.url}/token`,
        currentDate: clock.now(),
        maxTokenAge: 5,
      });
      must(protectedHeader.kid === 'key-1', 'the id of the key');
      must(payload['scope'] === 'https://www.googleapis.com/auth/cloudkms', 'the scope of KMS only');
      must((payload.exp ?? 0) - (payload.iat ?? 0) <= 3600, 'at most an hour');
      return { status: 200, body: { access_token: 'ya29.good', expires_in: 3600, token_type: 'Bearer' } };
    }
    if (asked.path.startsWith('/computeMetadata/v1/instance/service-accounts/default/token')) {
      must(asked.headers['metadata-flavor'] === 'Google', 'the header that browsers cannot send');
      return { status: 200, body: { access_token: 'ya29.good', expires_in: 300 } };
    }
    must(asked.headers.authorization === 'Bearer ya29.good', 'the token');
    must(asked.method === 'POST', 'POST');
    const body = json(asked.body);
    const aad = bytes(body['additionalAuthenticatedData']);
    if (asked.path === `/v1/${name}:encrypt`) {
      const ciphertext = kms.close(bytes(body['plaintext']), aad).toString('base64');
      return { status: 200, body: { name: `${name}/cryptoKeyVersions/1`, ciphertext } };
    }
    if (asked.path !== `/v1/${name}:decrypt`) return notFound;
    try {
      return {
        status: 200,
        body: { plaintext: kms.open(bytes(body['ciphertext']), aad).toString('base64') },
      };
    } catch {
      return { status: 400, body: { error: { code: 400, status: 'INVALID_ARGUMENT' } } };
    }
  }

  beforeEach(async () => {
    kms = box();
    server = await strictServer(google);
  });

  async function withKeyFile(): Promise<SealConfig> {
    const credentialsFile = join(folder, 'account.json');
    const file = {
      type: 'service_account',
      client_email: 'sallyport@p.iam.gserviceaccount.com',
      private_key_id: 'key-1',
      private_key: account.privateKey,
      token_uri: `${server?.url}/token`,
    };
    await writeFile(credentialsFile, JSON.stringify(file), { mode: 0o600 });
    return { kind: 'gcpckms', key: name, credentialsFile, endpoint: server?.url ?? '' };
  }

  it('wraps and unwraps with the token of a service account, asked for once, and binds the purpose', async () => {
    const one = seal(await withKeyFile());
    const key = root();

    const sealed = await one.wrap(key);

    expect((await one.unwrap(sealed)).equals(key)).toBe(true);
    const paths = server?.asked.map(({ path }) => path);
    expect(paths).toEqual(['/token', `/v1/${name}:encrypt`, `/v1/${name}:decrypt`]);
    const { additionalAuthenticatedData } = json(server?.asked[1]?.body ?? '');
    expect(bytes(additionalAuthenticatedData)).toEqual(Buffer.from(sealAad));
    expect(Buffer.from(sealed).includes(Buffer.from(key.expose()))).toBe(false);
  });

  it('asks for a new token before the old one ends', async () => {
    const one = seal(await withKeyFile());
    await one.wrap(root());
    clock.advance(3_500_000);
    await one.wrap(root());

    expect(server?.asked.filter(({ path }) => path === '/token')).toHaveLength(2);
  });

  it('takes the token of the machine where no file is given', async () => {
    const url = server?.url ?? '';
    const one = seal({ kind: 'gcpckms', key: name, endpoint: url, metadataUrl: url });
    const key = root();

    expect((await one.unwrap(await one.wrap(key))).equals(key)).toBe(true);
  });

  it('does not open what was changed, what another key sealed, or what names another key', async () => {
    const config = await withKeyFile();
    const one = seal(config);
    const sealed = await one.wrap(root());
    const changed = Uint8Array.from(sealed);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const refused = { code: 'keyring.decrypt_failed', kind: 'integrity' };

    for (const hostile of [changed, sealed.slice(0, 5), new Uint8Array(0), Uint8Array.of(9, ...sealed)]) {
      await expect(one.unwrap(hostile)).rejects.toMatchObject(refused);
    }
    const other = seal({ ...config, key: `${name}2` } as SealConfig);
    const before = server?.asked.length;
    await expect(other.unwrap(sealed)).rejects.toMatchObject(refused);
    expect(server?.asked.length).toBe(before);
    expect([one.holds?.(sealed), other.holds?.(sealed)]).toEqual([true, false]);
  });

  it('refuses a key file without a key, and a key name that is none, without repeating what is in them', async () => {
    const config = await withKeyFile();
    const broken = { client_email: 'a', token_uri: 'https://x', private_key: 'SECRET', private_key_id: 'k' };
    await writeFile(join(folder, 'account.json'), JSON.stringify(broken));

    const error: unknown = await seal(config)
      .wrap(root())
      .catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ code: 'keyring.seal_config' });
    expect(String(error)).not.toContain('SECRET');
    expect(() => seal({ kind: 'gcpckms', key: '../../x' })).toThrow(
      expect.objectContaining({ code: 'keyring.seal_config' }),
    );
  });
});

describe('Azure Key Vault', () => {
  const versions = new Map(
    ['0a'.repeat(16), '0b'.repeat(16)].map((version) => [
      version,
      generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ]),
  );
  let newest = '0a'.repeat(16);
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };

  function azure(asked: Asked): Answer {
    const token = { status: 200, body: { access_token: 'eyJ.good', expires_in: '3599' } };
    if (asked.path === '/tenant-1/oauth2/v2.0/token') {
      const form = new URLSearchParams(asked.body);
      must(form.get('scope') === 'https://vault.azure.net/.default', 'the scope of Key Vault');
      must(form.get('client_id') === 'client-1', 'the client');
      const federated = form.get('client_assertion') === 'federated-token';
      must(form.get('client_secret') === 's3cret' || federated, 'a proof of the client');
      return token;
    }
    if (asked.path === '/metadata/identity/oauth2/token') {
      must(asked.headers['metadata'] === 'true', 'the header that browsers cannot send');
      must(asked.query.get('resource') === 'https://vault.azure.net', 'the resource');
      return token;
    }
    must(asked.headers.authorization === 'Bearer eyJ.good', 'the token');
    must(asked.query.get('api-version') === '7.4', 'the version of the interface');
    const body = json(asked.body);
    must(body['alg'] === 'RSA-OAEP-256', 'the algorithm');
    if (asked.path === '/keys/root/wrapkey') {
      const key = versions.get(newest);
      must(key !== undefined, 'a key');
      const value = publicEncrypt({ key: key.publicKey, ...padding }, bytes(body['value']));
      const kid = `${server?.url}/keys/root/${newest}`;
      return { status: 200, body: { kid, value: value.toString('base64url') } };
    }
    const [, version = ''] = /^\/keys\/root\/([0-9a-f]{32})\/unwrapkey$/.exec(asked.path) ?? [];
    const key = versions.get(version);
    if (key === undefined) return { status: 404, body: { error: { code: 'KeyNotFound' } } };
    try {
      const value = privateDecrypt({ key: key.privateKey, ...padding }, bytes(body['value']));
      return { status: 200, body: { kid: '', value: value.toString('base64url') } };
    } catch {
      return { status: 400, body: { error: { code: 'BadParameter' } } };
    }
  }

  let config: SealConfig & { kind: 'azurekeyvault' };
  beforeEach(async () => {
    newest = '0a'.repeat(16);
    server = await strictServer(azure);
    const { url } = server;
    config = { kind: 'azurekeyvault', vaultUrl: url, key: 'root', loginUrl: url, metadataUrl: url };
  });

  it('wraps and unwraps as a client with a secret, as one with a federated token, and as a machine', async () => {
    await writeFile(join(folder, 'token'), 'federated-token\n');
    const client = { ...config, tenantId: 'tenant-1', clientId: 'client-1' };
    const key = root();

    for (const one of [
      seal(client, { AZURE_CLIENT_SECRET: 's3cret' }),
      seal(client, { AZURE_FEDERATED_TOKEN_FILE: join(folder, 'token') }),
      seal(config),
    ]) {
      expect((await one.unwrap(await one.wrap(key))).equals(key)).toBe(true);
    }
  });

  it('unwraps with the version that wrapped, also after the key was rotated there', async () => {
    const one = seal(config);
    const key = root();
    const sealed = await one.wrap(key);
    newest = '0b'.repeat(16);

    expect((await one.unwrap(sealed)).equals(key)).toBe(true);
    expect((await one.unwrap(await one.wrap(key))).equals(key)).toBe(true);
  });

  it('asks nobody but the configured vault, whatever a stored blob says', async () => {
    const one = seal(config);
    const sealed = await one.wrap(root());
    const { name, blob } = unpackNamed(sealed) ?? { name: '', blob: new Uint8Array() };
    const { value } = json(Buffer.from(blob).toString());
    const head = sealed.slice(0, 3 + name.length);
    const before = server?.asked.length;

    for (const version of ['../../evil', 'a/b', '', '?x=', 'https://evil.example/keys/root/1']) {
      const hostile = Buffer.concat([head, Buffer.from(JSON.stringify({ version, value }))]);
      await expect(one.unwrap(hostile)).rejects.toMatchObject({ code: 'keyring.decrypt_failed' });
    }
    expect(server?.asked.length).toBe(before);
  });

  it('says which code the service refused with, and nothing of the credentials', async () => {
    const client = { ...config, tenantId: 'tenant-1', clientId: 'client-1' };
    const error: unknown = await seal(client, { AZURE_CLIENT_SECRET: 'wrong-s3cret' })
      .wrap(root())
      .catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ code: 'keyring.seal_unavailable', kind: 'unavailable' });
    expect(JSON.stringify(error) + String(error)).not.toContain('wrong-s3cret');
  });
});
