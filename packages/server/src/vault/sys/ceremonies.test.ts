import type { SecretBytes } from '@sallyport/formats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseShare } from '#keyring';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { testSys } from './server.fixture.ts';

let vault: TestVault;
/** Of which `keyring.status().threshold` are in force. */
let shares: readonly string[] = [];

beforeAll(async () => {
  vault = await openVault({ sys: testSys(() => vault.keyring) });
});
afterAll(() => vault.close());

/** On a seal that a machine opens, holders have recovery shares: 3 of 5 before each test. */
beforeEach(async () => {
  const { rekey: ceremony } = vault.keyring;
  ceremony.cancel();
  const { threshold } = await vault.keyring.status();
  const wanted = { shares: 5, threshold: 3, target: 'recovery', verify: false } as const;
  let step = await ceremony.start(wanted, { kind: 'system', id: 'test' });
  for (const share of shares.slice(0, threshold))
    step = await ceremony.prove(parseShare(share), step.status.nonce);
  shares = (step.shares ?? []).map((share: SecretBytes) => Buffer.from(share.expose()).toString('hex'));
});

const open = (method: string, path: string, body?: object) =>
  vault.request(method, path, { token: null, ...(body === undefined ? {} : { body }) });
const rekey = 'sys/rekey-recovery-key';

async function giveAll(path: string, keys: readonly string[], nonce: string) {
  const answers = [];
  for (const key of keys) answers.push(await open('PUT', path, { key, nonce }));
  return answers;
}

describe('new shares', () => {
  it('are in force when the answer with them is there', async () => {
    const { body: begun } = await open('PUT', `${rekey}/init`, { secret_shares: 3, secret_threshold: 2 });
    expect(begun).toMatchObject({
      started: true,
      n: 3,
      t: 2,
      progress: 0,
      required: 3,
      verification_required: false,
    });

    const [first, second, last] = await giveAll(`${rekey}/update`, shares.slice(0, 3), begun.nonce);

    expect([first?.body.progress, second?.body.progress]).toEqual([1, 2]);
    expect(last?.body).toMatchObject({ complete: true, nonce: begun.nonce, verification_required: false });
    expect(last?.body.keys).toHaveLength(3);
    shares = last?.body.keys;
    expect(Buffer.from(last?.body.keys_base64[0], 'base64').toString('hex')).toBe(last?.body.keys[0]);
    expect((await open('GET', `${rekey}/init`)).body).toMatchObject({
      started: false,
      nonce: '',
      required: 2,
    });
  });

  it('are not in force before they came back, where the client wants to verify', async () => {
    const wanted = { secret_shares: 3, secret_threshold: 2, require_verification: true };
    const { body: begun } = await open('PUT', `${rekey}/init`, wanted);
    const given = await giveAll(`${rekey}/update`, shares.slice(2), begun.nonce);
    const { keys, verification_nonce: nonce } = given.at(-1)?.body ?? {};
    expect((await open('GET', `${rekey}/init`)).body).toMatchObject({
      started: true,
      verification_nonce: nonce,
      required: 3,
    });

    const [first] = await giveAll(`${rekey}/verify`, [keys[0]], nonce);
    expect(first?.body).toMatchObject({ progress: 1, t: 2, n: 3 });
    const again = await open('DELETE', `${rekey}/verify`, { nonce });
    expect(again.body).toMatchObject({ progress: 0 });
    expect(again.body.nonce).not.toBe(nonce);
    expect((await giveAll(`${rekey}/verify`, [keys[0]], nonce))[0]?.status).toBe(400);
    const done = await giveAll(`${rekey}/verify`, keys.slice(1), again.body.nonce);

    expect(done.at(-1)?.body).toMatchObject({ complete: true });
    shares = keys;
    expect((await vault.keyring.status()).threshold).toBe(2);
  });

  it('are not made by too few, by strangers, or by the same share again', async () => {
    const { body: begun } = await open('PUT', `${rekey}/init`, { secret_shares: 3, secret_threshold: 2 });
    const foreign = `${'ab'.repeat(32)}07`;
    const [one = '', two = ''] = shares;

    expect(
      (await giveAll(`${rekey}/update`, [one, one], begun.nonce)).map(({ body }) => body.progress),
    ).toEqual([1, 1]);
    const last = (await giveAll(`${rekey}/update`, [two, foreign], begun.nonce)).at(-1);

    expect(last?.status).toBe(400);
    expect(last?.text).not.toContain('ab'.repeat(8));
    expect((await vault.keyring.status()).threshold).toBe(3);
  });

  it.each([
    ['a threshold above the shares', { secret_shares: 2, secret_threshold: 3 }],
    ['one share of many', { secret_shares: 5, secret_threshold: 1 }],
    ['more than there are', { secret_shares: 300, secret_threshold: 3 }],
    ['PGP keys', { secret_shares: 1, secret_threshold: 1, pgp_keys: ['a'] }],
  ])('are not begun with %s', async (_name, body) => {
    expect((await open('PUT', `${rekey}/init`, body)).status).toBe(400);
    expect((await open('GET', `${rekey}/init`)).body.started).toBe(false);
  });

  it('are given up by whoever names the ceremony or has a token, and not by a passer-by', async () => {
    const wanted = { secret_shares: 3, secret_threshold: 2 };
    const { body: begun } = await open('PUT', `${rekey}/init`, wanted);

    expect((await open('DELETE', `${rekey}/init`)).status).toBe(403);
    expect((await open('DELETE', `${rekey}/init`, { nonce: begun.nonce })).status).toBe(204);
    await open('PUT', `${rekey}/init`, wanted);
    expect((await vault.request('DELETE', `${rekey}/init`)).status).toBe(204);
    expect((await open('GET', `${rekey}/init`)).body.started).toBe(false);
    expect((await open('DELETE', `${rekey}/init`)).status).toBe(204);
  });

  it('of the seal are refused where a machine opens it', async () => {
    expect((await open('PUT', 'sys/rekey/init', { secret_shares: 3, secret_threshold: 2 })).status).toBe(412);
    expect((await vault.request('GET', 'sys/rekey/backup')).status).toBe(400);
  });
});

describe('a root token of share holders', () => {
  const attempt = 'sys/generate-root/attempt';
  const otp = 'BMjzW3wAsEzINXCM05Wbas3u9zSl';

  afterEach(async () => {
    await vault.request('DELETE', attempt);
  });

  const decode = (encoded: string, password: string) => {
    const pad = Buffer.from(password);
    return Buffer.from(Buffer.from(encoded, 'base64').map((byte, at) => byte ^ (pad[at] ?? 0))).toString();
  };

  it('is made by a threshold of them and read with the one-time password', async () => {
    const { body: begun } = await open('PUT', attempt, { otp });
    expect(begun).toMatchObject({ started: true, progress: 0, required: 3, otp_length: 28, complete: false });

    const answers = await giveAll('sys/generate-root/update', shares.slice(1, 4), begun.nonce);

    const last = answers.at(-1)?.body;
    expect(answers.map(({ body }) => body.complete)).toEqual([false, false, true]);
    const token = decode(last.encoded_token, otp);
    expect(token).toMatch(/^hvs\.[A-Za-z0-9]{24}$/);
    expect(last.encoded_root_token).toBe(last.encoded_token);
    expect(answers.map(({ text }) => text).join('')).not.toContain(token);
    expect((await vault.request('GET', 'auth/token/lookup-self', { token })).body.data.policies).toEqual([
      'root',
    ]);
    expect((await open('GET', attempt)).body.started).toBe(false);
    expect(
      (await open('POST', 'sys/decode-token', { encoded_token: last.encoded_token, otp })).body.data.token,
    ).toBe(token);
  });

  it('comes with a password of its own when none is given, told once', async () => {
    const { body: begun } = await open('PUT', attempt, {});

    expect(begun.otp).toHaveLength(28);
    expect((await open('GET', attempt)).body.otp).toBe('');
    const answers = await giveAll('sys/generate-root/update', shares.slice(0, 3), begun.nonce);
    expect(decode(answers.at(-1)?.body.encoded_token, begun.otp)).toMatch(/^hvs\./);
  });

  it.each([
    ['a short password', { otp: 'short' }],
    ['a password that is not ASCII', { otp: 'ü'.repeat(28) }],
    ['a PGP key', { pgp_key: 'a' }],
  ])('is not begun with %s', async (_name, body) => {
    expect((await open('PUT', attempt, body)).status).toBe(400);
    expect((await open('GET', attempt)).body.started).toBe(false);
  });

  it('is not made without the nonce, without shares, or by shares of others', async () => {
    const { body: begun } = await open('PUT', attempt, { otp });

    expect((await open('PUT', 'sys/generate-root/update', { key: shares[0] })).status).toBe(400);
    expect((await open('PUT', 'sys/generate-root/update', { nonce: begun.nonce })).status).toBe(400);
    expect((await open('PUT', 'sys/generate-root/update', { key: shares[0], nonce: 'other' })).status).toBe(
      400,
    );
    const strangers = [1, 2, 3].map((number) => `${'cd'.repeat(32)}0${number}`);
    const last = (await giveAll('sys/generate-root/update', strangers, begun.nonce)).at(-1);
    expect(last?.status).toBe(400);
    expect(last?.text).not.toContain('encoded');
  });

  it('is given up by its members only', async () => {
    const { body: begun } = await open('PUT', attempt, { otp });

    expect((await open('PUT', attempt, { otp })).status).toBe(400);
    expect((await open('DELETE', attempt)).status).toBe(403);
    expect((await open('DELETE', attempt, { nonce: begun.nonce })).status).toBe(204);
    expect((await giveAll('sys/generate-root/update', shares.slice(0, 1), begun.nonce))[0]?.status).not.toBe(
      200,
    );
  });
});

describe('keys', () => {
  it('are rotated, and what was written before stays readable', async () => {
    await vault.request('POST', 'secret/data/a', { body: { data: { x: 1 } } });
    const before = (await vault.request('GET', 'sys/key-status')).body;

    expect((await vault.request('PUT', 'sys/rotate')).status).toBe(204);

    const after = (await vault.request('GET', 'sys/key-status')).body;
    expect(after.term).toBe(before.term + 1);
    expect(after.data.term).toBe(after.term);
    expect((await vault.request('GET', 'secret/data/a')).body.data.data).toEqual({ x: 1 });
  });

  it('keep what is said about their rotation', async () => {
    const config = { enabled: true, interval: '48h', max_operations: 5_000_000 };
    expect((await vault.request('POST', 'sys/rotate/config', { body: config })).status).toBe(204);
    expect((await vault.request('GET', 'sys/rotate/keyring/config')).body.data).toEqual({
      enabled: true,
      interval: 172_800,
      max_operations: 5_000_000,
    });
    expect((await vault.request('POST', 'sys/rotate/config', { body: { interval: '1h' } })).status).toBe(400);
    expect(
      (await vault.request('POST', 'sys/rotate/config', { body: { max_operations: 2 ** 33 } })).status,
    ).toBe(400);
  });
});
