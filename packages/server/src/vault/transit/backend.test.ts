import {
  constants,
  createHash,
  createPublicKey,
  verify as nodeVerify,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '#platform';
import { openVault, type TestVault } from '../../../test-support/vault.ts';
import { mountsOf } from '../mounts/table.ts';
import { putPolicy } from '../policies/store.ts';
import { below } from '../records.ts';
import { createTransit } from './backend.ts';
import { wrapPadded } from './kwp.fixture.ts';
import { base64, unwire } from './transit.fixture.ts';

let vault: TestVault;
const transit = createTransit(systemRandom);

beforeAll(async () => {
  vault = await openVault({ secret: [transit.backend] });
});
afterAll(async () => {
  await vault.close();
  await transit.close();
});

const post = (path: string, body: unknown = {}) => vault.request('POST', `transit/${path}`, { body });
const get = (path: string) => vault.request('GET', `transit/${path}`);
const remove = (path: string) => vault.request('DELETE', `transit/${path}`);

/** The data of an answer that must be a success. */
async function data(answer: ReturnType<typeof post>) {
  const { status, body, text } = await answer;
  expect({ status, text }).toMatchObject({ status: 200 });
  return body.data;
}

async function refusal(answer: ReturnType<typeof post>, status: number, text: string) {
  const { status: got, body } = await answer;
  expect({ got, errors: body.errors }).toEqual({ got: status, errors: [expect.stringContaining(text)] });
}

const input = base64('release 42');

describe('keys over HTTP', () => {
  it('are made, shown, listed, configured, rotated, trimmed and deleted', async () => {
    expect((await vault.request('LIST', 'transit/keys')).status).toBe(404);
    expect(await data(post('keys/life'))).toMatchObject({
      name: 'life',
      type: 'aes256-gcm96',
      latest_version: 1,
    });
    const again = await post('keys/life', { type: 'ed25519' });
    expect(again.body).toMatchObject({
      data: { type: 'aes256-gcm96' },
      warnings: ['key life already existed'],
    });
    expect(await data(vault.request('LIST', 'transit/keys'))).toEqual({ keys: ['life'] });
    for (let version = 2; version <= 4; version += 1) {
      expect(await data(post('keys/life/rotate'))).toMatchObject({ latest_version: version });
    }
    const minima = { min_decryption_version: 2, min_encryption_version: 3 };
    expect(await data(post('keys/life/config', minima))).toMatchObject(minima);
    expect(await data(post('keys/life/trim', { min_available_version: 2 }))).toMatchObject({
      min_available_version: 2,
    });
    expect(Object.keys((await data(get('keys/life'))).keys)).toEqual(['2', '3', '4']);
    await refusal(remove('keys/life'), 400, 'deletion is not allowed');
    await data(post('keys/life/config', { deletion_allowed: true }));
    expect((await remove('keys/life')).status).toBe(204);
    expect((await get('keys/life')).status).toBe(404);
    const left = vault.journal.peek((turn) => {
      const mount = mountsOf(turn).find('transit/');
      return below(turn.space('env:default/default'), `mount/${mount?.id}/`).list('secret/');
    });
    expect(left).toEqual([]);
  });

  it('are refused with names and options that cannot be', async () => {
    await refusal(post('keys/-x'), 400, 'key name');
    await refusal(post('keys/x', { type: 'des' }), 400, 'unknown key type');
    await refusal(post('keys/missing/rotate'), 400, 'encryption key not found');
    await refusal(post('keys/missing/config'), 400, 'encryption key not found');
    await refusal(post('sign/missing', { input }), 400, 'encryption key not found');
    await refusal(post('export/everything'), 404, 'unsupported path');
  });
});

describe('encryption over HTTP', () => {
  it('round trips, rewraps, and answers batches with 400 when an item failed', async () => {
    await data(post('keys/box'));
    const { ciphertext, key_version } = await data(post('encrypt/box', { plaintext: input }));
    expect(key_version).toBe(1);
    expect(await data(post('decrypt/box', { ciphertext }))).toEqual({ plaintext: input });
    await data(post('keys/box/rotate'));
    const moved = await data(post('rewrap/box', { ciphertext }));
    expect(moved.ciphertext).toMatch(/^vault:v2:/);
    expect(await data(post('decrypt/box', { ciphertext: moved.ciphertext }))).toEqual({ plaintext: input });
    const mixed = await post('decrypt/box', {
      batch_input: [{ ciphertext, reference: 'r' }, { ciphertext: 'x' }],
    });
    expect(mixed.status).toBe(400);
    expect(mixed.body.data.batch_results).toEqual([
      { plaintext: input, reference: 'r' },
      { error: expect.stringContaining('vault:v') },
    ]);
    const datakey = await data(post('datakey/plaintext/box', { bits: 512 }));
    expect(await data(post('decrypt/box', { ciphertext: datakey.ciphertext }))).toEqual({
      plaintext: datakey.plaintext,
    });
  });

  it('makes a key that is not there, for whoever may create, and for nobody else', async () => {
    await vault.journal.run((turn) => {
      for (const capability of ['update', 'create']) {
        putPolicy(turn, {
          name: capability,
          text: `path "transit/encrypt/*" { capabilities = ["${capability}"] }`,
        });
      }
      return { answer: undefined, audit: [] };
    });
    const encryptAs = async (policy: string, name: string) => {
      const made = await vault.request('POST', 'auth/token/create', { body: { policies: [policy] } });
      const body = { plaintext: input, context: base64('a') };
      const token: string = made.body.auth.client_token;
      return (await vault.request('POST', `transit/encrypt/${name}`, { token, body })).status;
    };

    expect(await encryptAs('update', 'fresh')).toBe(403);
    expect(await encryptAs('create', 'fresh')).toBe(200);
    expect(await encryptAs('create', 'fresh')).toBe(403);
    expect(await encryptAs('update', 'fresh')).toBe(200);
    expect(await data(get('keys/fresh'))).toMatchObject({ derived: true, type: 'aes256-gcm96' });
    await refusal(post('encrypt/-bad', { plaintext: input }), 400, 'key name');
  });

  it('with RSA decrypts in the thread', async () => {
    await data(post('keys/rsa', { type: 'rsa-2048' }));
    const { ciphertext } = await data(post('encrypt/rsa', { plaintext: input }));
    expect(await data(post('decrypt/rsa', { ciphertext }))).toEqual({ plaintext: input });
    await refusal(post('decrypt/rsa', { ciphertext: 'vault:v1:AAAA' }), 400, 'invalid ciphertext');
  });
});

describe('signatures over HTTP', () => {
  it.each([
    ['ed25519', 0],
    ['ecdsa-p256', 1],
    ['ecdsa-p384', 1],
    ['rsa-2048', 1],
  ] as const)('of type %s are what others verify, as cosign asks for them', async (type, hashed) => {
    const name = `cosign-${type}`;
    // Go's clients write with PUT, and cosign sends the version as text.
    await data(vault.request('PUT', `transit/keys/${name}`, { body: { type } }));
    const shown = (await data(get(`keys/${name}`))).keys['1'];
    const digest = createHash('sha256').update('release 42').digest();
    const body = {
      input: hashed ? base64(digest) : input,
      prehashed: hashed === 1,
      key_version: '1',
      signature_algorithm: 'pkcs1v15',
    };
    const { signature, key_version } = await data(
      vault.request('PUT', `transit/sign/${name}/sha2-256`, { body }),
    );
    expect(key_version).toBe(1);
    expect(await data(post(`verify/${name}/sha2-256`, { ...body, signature }))).toEqual({ valid: true });
    const spki = Buffer.concat([
      Buffer.from('302a300506032b6570032100', 'hex'),
      Buffer.from(shown.public_key, 'base64'),
    ]);
    const publicKey =
      type === 'ed25519'
        ? createPublicKey({ key: spki, format: 'der', type: 'spki' })
        : createPublicKey(shown.public_key);
    expect(
      nodeVerify(hashed ? 'sha256' : null, Buffer.from('release 42'), publicKey, unwire(signature)),
    ).toBe(true);
  });

  it('and HMACs, hashes and random bytes answer by path and by body', async () => {
    await data(post('keys/mac', { type: 'hmac', key_size: 64 }));
    const { hmac } = await data(post('hmac/mac/sha2-512', { input }));
    expect(await data(post('verify/mac/sha2-512', { input, hmac }))).toEqual({ valid: true });
    expect(await data(post('verify/mac', { input, hmac }))).toEqual({ valid: false });
    const sum = createHash('sha256').update('release 42').digest('hex');
    expect(await data(post('hash', { input }))).toEqual({ sum });
    expect((await data(post('hash/sha3-512', { input }))).sum.length).toBe(128);
    for (const path of ['random', 'random/32', 'random/platform', 'random/platform/32']) {
      expect(Buffer.from((await data(post(path))).random_bytes, 'base64').length).toBe(32);
    }
  });

  it('with a key that is being rotated all verify', async () => {
    await data(post('keys/busy', { type: 'rsa-2048' }));
    const signing = Array.from({ length: 12 }, () => post('sign/busy', { input }));
    const rotating = post('keys/busy/rotate');
    const answers = await Promise.all(signing);
    await data(rotating);
    for (const { status, body } of answers) {
      // A key that changed while it was used is not used: the client is told to try again.
      expect([200, 503]).toContain(status);
      if (status === 200) {
        expect(await data(post('verify/busy', { input, signature: body.data.signature }))).toEqual({
          valid: true,
        });
      }
    }
  });
});

describe('keys that leave and come, over HTTP', () => {
  it('are exported, and carried by backups, as hvac expects', async () => {
    await data(post('keys/carried', { exportable: true }));
    expect(Object.keys((await data(get('export/hmac-key/carried'))).keys)).toEqual(['1']);
    expect(Object.keys((await data(get('export/encryption-key/carried/latest'))).keys)).toEqual(['1']);
    expect((await get('export/hmac-key/nobody')).status).toBe(404);
    await refusal(get('backup/carried'), 500, 'plaintext backup is disallowed on the policy');
    await data(post('keys/carried/config', { allow_plaintext_backup: true }));
    const { ciphertext } = await data(post('encrypt/carried', { plaintext: input }));
    const { backup } = await data(get('backup/carried'));
    await refusal(post('restore', { backup }), 500, 'already exists');
    expect((await post('restore', { backup, force: true })).status).toBe(204);
    expect((await post('restore/moved', { backup })).status).toBe(204);
    for (const name of ['carried', 'moved']) {
      expect(await data(post(`decrypt/${name}`, { ciphertext }))).toEqual({ plaintext: input });
    }
    expect(await data(get('keys/moved'))).toMatchObject({ name: 'moved', restore_info: { version: 1 } });
  });

  it('are brought along under the wrapping key of the mount', async () => {
    await refusal(post('keys/early/import', { ciphertext: 'AAAA' }), 400, 'nobody asked for yet');
    const { public_key } = await data(get('wrapping_key'));
    expect(await data(get('wrapping_key'))).toEqual({ public_key });
    const ephemeral = randomBytes(32);
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const wrap = (key: Buffer) =>
      base64(
        Buffer.concat([
          publicEncrypt({ key: public_key, padding, oaepHash: 'sha256' }, ephemeral),
          wrapPadded(ephemeral, key),
        ]),
      );
    const body = { ciphertext: wrap(Buffer.alloc(32, 7)), exportable: true };
    expect((await post('keys/brought/import', body)).status).toBe(204);
    expect((await data(get('export/encryption-key/brought'))).keys).toEqual({
      1: base64(Buffer.alloc(32, 7)),
    });
    await refusal(post('keys/brought/import', body), 400, 'existing key');
    await refusal(post('keys/brought/rotate'), 500, 'does not allow rotation');
    expect(
      (await post('keys/brought/import_version', { ciphertext: wrap(Buffer.alloc(32, 8)) })).status,
    ).toBe(204);
    expect(await data(get('keys/brought'))).toMatchObject({ latest_version: 2, imported_key: true });
    expect((await vault.request('LIST', 'transit/keys')).body.data.keys).not.toContain('wrapping-key');
  }, 60_000);
});

describe('rotation by the clock', () => {
  it('gives keys whose period is over a new version, once', async () => {
    await data(post('keys/periodic', { auto_rotate_period: '1h', type: 'rsa-2048' }));
    const storeOf = (turn: Parameters<typeof mountsOf>[0]) =>
      below(turn.space('env:default/default'), `mount/${mountsOf(turn).find('transit/')?.id}/`);
    const round = async (later: number) => {
      const due = await vault.journal.peek((turn) =>
        transit.rotation.prepare(storeOf(turn), turn.now + later, 10),
      );
      return await vault.journal.run((turn) => ({
        answer: transit.rotation.decide(storeOf(turn), turn.now + later, due),
        audit: [],
      }));
    };

    expect(await round(3_599_000)).toEqual([]);
    expect(await round(3_700_000)).toEqual(['periodic']);
    expect(await data(get('keys/periodic'))).toMatchObject({ latest_version: 2 });
    expect(await round(3_700_000)).toEqual([]);
  });
});

describe('what is sealed away', () => {
  it('is loaded again when it is needed', async () => {
    const { ciphertext } = await data(post('encrypt/box', { plaintext: input }));
    transit.wipe();
    expect(await data(post('decrypt/box', { ciphertext }))).toEqual({ plaintext: input });
  });
});
