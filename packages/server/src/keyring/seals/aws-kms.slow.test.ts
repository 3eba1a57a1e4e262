import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../test-support/fakes.ts';
import { signAws } from './aws-signature.ts';
import { random } from './ceremony.fixture.ts';
import { createSeal } from './create-seal.ts';

/**
 * Against moto, an emulator of AWS written for Python's own AWS library. It is told to demand authentication after the
 * five calls that set it up, so that it computes each signature again and refuses a wrong one.
 */
const motoVersion = '5.2.5';
const setUpCalls = 5;
const region = 'eu-central-1';
const anyone = { accessKeyId: 'anyone', secretAccessKey: 'anyone' };
let folder: string;
let moto: ChildProcess | undefined;
let url: string;
let keyId: string;
let otherKeyId: string;
let own: { readonly accessKeyId: string; readonly secretAccessKey: string };

async function install(): Promise<string | undefined> {
  const given = process.env['MOTO_SERVER'];
  if (given !== undefined) return given;
  const venv = join(folder, 'venv');
  if (spawnSync('python3', ['-m', 'venv', venv]).status !== 0) return undefined;
  const pip = ['install', '--quiet', `moto[server]==${motoVersion}`];
  if (spawnSync(join(venv, 'bin', 'pip'), pip, { stdio: 'inherit' }).status !== 0) return undefined;
  return join(venv, 'bin', 'moto_server');
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function post(service: string, headers: Record<string, string>, body: string): Promise<string> {
  const signed = signAws({ method: 'POST', url, headers, body }, { region, service }, anyone, new Date());
  const response = await fetch(url, { method: 'POST', headers: signed, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${text}`);
  return text;
}

async function newKey(): Promise<string> {
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': 'TrentService.CreateKey',
  };
  return JSON.parse(await post('kms', headers, '{}')).KeyMetadata.KeyId;
}

async function iam(Action: string, more: Record<string, string>): Promise<string> {
  const body = new URLSearchParams({ Action, Version: '2010-05-08', UserName: 'sallyport', ...more });
  return post('iam', { 'content-type': 'application/x-www-form-urlencoded' }, body.toString());
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-moto-'));
  const program = await install();
  if (program === undefined) {
    console.warn(
      'SKIPPED: moto could not be installed with python3 and pip; set MOTO_SERVER to a moto_server',
    );
    return;
  }
  const port = await freePort();
  url = `http://127.0.0.1:${port}/`;
  const env = { ...process.env, INITIAL_NO_AUTH_ACTION_COUNT: String(setUpCalls) };
  moto = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { env, stdio: 'ignore' });
  for (let look = 0; look < 300; look += 1) {
    const up = await fetch(`${url}moto-api/`).then(
      () => true,
      () => false,
    );
    if (up) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  [keyId, otherKeyId] = [await newKey(), await newKey()];
  await iam('CreateUser', {});
  const allow = { Effect: 'Allow', Action: ['kms:Encrypt', 'kms:Decrypt'], Resource: '*' };
  const document = JSON.stringify({ Version: '2012-10-17', Statement: [allow] });
  await iam('PutUserPolicy', { PolicyName: 'seal', PolicyDocument: document });
  const made = await iam('CreateAccessKey', {});
  const field = (name: string): string => new RegExp(`<${name}>([^<]+)<`).exec(made)?.[1] ?? '';
  own = { accessKeyId: field('AccessKeyId'), secretAccessKey: field('SecretAccessKey') };
}, 240_000);
afterAll(async () => {
  moto?.kill();
  await rm(folder, { recursive: true });
});

const seal = (key: string, credentials = own) =>
  createSeal(
    { kind: 'awskms', region, keyId: key, endpoint: url },
    {
      random,
      clock: { now: () => new Date() },
      log: silentLog,
      fetch,
      environment: {
        AWS_ACCESS_KEY_ID: credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      },
    },
  );

describe('AWS KMS', () => {
  it('wraps and unwraps with a signature that the service computes as well', async (test) => {
    if (moto === undefined) return test.skip('no moto here');
    const one = seal(keyId);
    const root = SecretBytes.from(randomBytes(32));

    const sealed = await one.wrap(root);

    expect((await one.unwrap(sealed)).equals(root)).toBe(true);
    expect(Buffer.from(sealed).includes(Buffer.from(root.expose()))).toBe(false);
  });

  it('refuses a wrong secret key and an unknown one, and the fault does not say them', async (test) => {
    if (moto === undefined) return test.skip('no moto here');
    const wrong = { ...own, secretAccessKey: `${own.secretAccessKey.slice(0, -1)}!` };
    for (const credentials of [wrong, { ...own, accessKeyId: 'AKIAUNKNOWN000000000' }]) {
      const error: unknown = await seal(keyId, credentials)
        .wrap(SecretBytes.from(randomBytes(32)))
        .catch((thrown: unknown) => thrown);

      expect(error).toMatchObject({ code: 'keyring.seal_unavailable' });
      expect(JSON.stringify(error) + String(error)).not.toContain(credentials.secretAccessKey);
    }
  });

  it('does not open what was changed or what another key sealed', async (test) => {
    if (moto === undefined) return test.skip('no moto here');
    const [one, other] = [seal(keyId), seal(otherKeyId)];
    const sealed = await one.wrap(SecretBytes.from(randomBytes(32)));
    const changed = Uint8Array.from(sealed);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;

    await expect(one.unwrap(changed)).rejects.toMatchObject({ code: 'keyring.decrypt_failed' });
    await expect(other.unwrap(sealed)).rejects.toMatchObject({ code: 'keyring.decrypt_failed' });
    expect([one.holds?.(sealed), other.holds?.(sealed)]).toEqual([true, false]);
  });
});
