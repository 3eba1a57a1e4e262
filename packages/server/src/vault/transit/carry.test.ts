import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backupKey, restoreKey } from './backup.ts';
import { configureKey } from './configure.ts';
import { describeWrappingKey } from './describe.ts';
import { decryptRequest, encryptRequest } from './encrypt.ts';
import { exportKey } from './export.ts';
import type { Fields } from './fields.ts';
import { importMaterial, importVersion, readImportRequest, wrappingKeyRequest } from './import.ts';
import { type TransitKey, versionOf } from './key.ts';
import { factsOf, type KeyType } from './key-types.ts';
import { wrapPadded } from './kwp.fixture.ts';
import { createKey, requireRotatable } from './lifecycle.ts';
import { generateRsa } from './material.ts';
import { signRequest } from './sign.ts';
import { atOnce, base64, createTransitFixture, textOf, unwire } from './transit.fixture.ts';
import { verifyRequest } from './verify.ts';

const transit = createTransitFixture();
const { deps } = transit;
afterAll(() => deps.thread.close());

const types = [
  'aes256-gcm96',
  'chacha20-poly1305',
  'ed25519',
  'ecdsa-p256',
  'ecdsa-p521',
  'rsa-2048',
  'hmac',
] as const;
const exported = (
  key: TransitKey,
  type: string,
  version?: string,
  query: Fields = {},
): Record<string, string> => JSON.parse(JSON.stringify(exportKey(deps, key, type, version, query)['keys']));

describe('exporting', () => {
  it('gives private parts in the forms that Vault gives', async () => {
    const aes = await transit.create({ exportable: true });
    const ed25519 = await transit.create({ type: 'ed25519', exportable: true });
    const ecdsa = await transit.create({ type: 'ecdsa-p384', exportable: true });
    const rsa = await transit.create({ type: 'rsa-2048', exportable: true });

    expect(Buffer.from(exported(aes, 'encryption-key')[1] ?? '', 'base64').length).toBe(32);
    expect(Buffer.from(exported(aes, 'hmac-key')[1] ?? '', 'base64').length).toBe(32);
    const both = Buffer.from(exported(ed25519, 'signing-key')[1] ?? '', 'base64');
    expect(both.subarray(32).toString('base64')).toBe(exported(ed25519, 'public-key')[1]);
    expect(exported(ecdsa, 'signing-key')[1]).toMatch(/^-----BEGIN EC PRIVATE KEY-----\n/);
    expect(exported(rsa, 'encryption-key')[1]).toMatch(/^-----BEGIN RSA PRIVATE KEY-----\n/);
    for (const key of [ecdsa, rsa, ed25519]) {
      for (const format of ['pem', 'der'] as const) {
        const privateText = exported(key, 'signing-key', 'latest', { format })[1] ?? '';
        const publicText = exported(key, 'public-key', '1', { format })[1] ?? '';
        const privateKey = createPrivateKey(format === 'pem' ? privateText : pkcs8(privateText));
        const publicKey = createPublicKey(format === 'pem' ? publicText : spki(publicText));
        const hash = key === ed25519 ? null : 'sha256';
        expect(nodeVerify(hash, both, publicKey, nodeSign(hash, both, privateKey))).toBe(true);
      }
    }
  });

  it('chooses versions, and leaves out what may not be used any more', async () => {
    let key = await transit.rotate(await transit.rotate(await transit.create({ exportable: true })));
    expect(Object.keys(exported(key, 'encryption-key'))).toEqual(['1', '2', '3']);
    expect(Object.keys(exported(key, 'encryption-key', 'latest'))).toEqual(['3']);
    expect(Object.keys(exported(key, 'encryption-key', 'v2'))).toEqual(['2']);
    ({ key } = configureKey(key, { min_decryption_version: 2 }));
    expect(Object.keys(exported(key, 'encryption-key'))).toEqual(['2', '3']);
    expect(() => exported(key, 'encryption-key', '1')).toThrow('below minimum');
    expect(() => exported(key, 'encryption-key', '4')).toThrow('does not exist');
    expect(() => exported(key, 'encryption-key', '0')).toThrow('invalid key version');
  });

  it('refuses what was not made exportable, and what the type does not have', async () => {
    const key = await transit.create();
    const open = await transit.create({ exportable: true });
    const derived = await transit.create({ type: 'ed25519', derived: true, exportable: true });

    for (const type of ['encryption-key', 'hmac-key', 'signing-key']) {
      expect(() => exported(key, type)).toThrow('not exportable');
    }
    expect(() => exported(open, 'signing-key')).toThrow('signing not supported');
    expect(() => exported(open, 'public-key')).toThrow('no public key');
    expect(() => exported(open, 'everything')).toThrow('expected encryption-key');
    expect(() => exported(open, 'hmac-key', undefined, { format: 'pem' })).toThrow('no form "pem"');
    expect(() => exported(open, 'hmac-key', undefined, { format: 'exe' })).toThrow('no form "exe"');
    expect(() => exported(derived, 'public-key')).toThrow('for each context');
  });
});

describe('a backup', () => {
  it.each(types)('of a key of type %s restores to a key that opens and verifies the same', async (type) => {
    const before = await transit.rotate(
      await transit.create({ type, exportable: true, allow_plaintext_backup: true }),
    );
    const { backup, key: kept } = backupKey(deps, before);
    const restored = transit.keep(restoreKey(deps, { backup }, 'copy'));

    expect(kept.backup).toEqual({ time: '2026-11-20T12:00:00.000Z', version: 2 });
    expect(restored).toMatchObject({ name: 'copy', type, latestVersion: 2, restore: { version: 2 } });
    expect(versionOf(restored, 1).id).not.toBe(versionOf(before, 1).id);
    const input = { input: base64('x'), plaintext: base64('x') };
    if (type === 'aes256-gcm96' || type === 'chacha20-poly1305') {
      const ciphertext = textOf(atOnce(encryptRequest(deps, before, input)), 'ciphertext');
      expect((await decryptRequest(deps, restored, { ciphertext })).data['plaintext']).toBe(base64('x'));
    } else if (type !== 'hmac') {
      const signature = textOf(await signRequest(deps, before, input), 'signature');
      expect((await verifyRequest(deps, restored, { ...input, signature })).data['valid']).toBe(true);
    }
    expect(deps.material.reveal(restored, 2)).toEqual(deps.material.reveal(before, 2));
  });

  it('is made only of keys that allow it', async () => {
    const key = await transit.create();
    expect(() => backupKey(deps, key)).toThrow('exporting is disallowed on the policy');
    const exportable = configureKey(key, { exportable: true }).key;
    expect(() => backupKey(deps, exportable)).toThrow('plaintext backup is disallowed on the policy');
  });

  it('that somebody changed is refused, wherever it was changed, without repeating what it held', async () => {
    const options = { exportable: true, allow_plaintext_backup: true };
    const key = await transit.create({ type: 'ecdsa-p256', ...options });
    const other = await transit.create({ type: 'ecdsa-p256', ...options });
    const saved = JSON.parse(Buffer.from(backupKey(deps, key).backup, 'base64').toString());
    const secret = deps.material.reveal(key, 1);
    const changes: ReadonlyArray<(document: typeof saved) => unknown> = [
      (document) => ({ ...document, form: 'sallyport-transit-backup/2' }),
      (document) => ({ ...document, secrets: undefined }),
      (document) => ({ ...document, secrets: {} }),
      (document) => ({ ...document, secrets: { 1: deps.material.reveal(other, 1) } }),
      (document) => ({ ...document, secrets: { 1: { ...secret, material: '' }, 2: secret }, key: null }),
      (document) => ({ ...document, secrets: { 1: { ...secret, hmacKey: 'AAAA' } } }),
      (document) => ({ ...document, secrets: { 1: { ...secret, material: secret.hmacKey } } }),
      (document) => ({ ...document, key: { ...document.key, type: 'ecdsa-p384' } }),
      (document) => ({ ...document, key: { ...document.key, type: 'aes256-gcm96' } }),
      (document) => ({ ...document, key: { ...document.key, name: '../../x' } }),
      (document) => ({ ...document, key: { ...document.key, latestVersion: 2 } }),
      () => [],
      () => 'text',
    ];
    for (const change of changes) {
      const backup = base64(JSON.stringify(change(saved)));
      expect(() => restoreKey(deps, { backup }, undefined)).toThrow(/expected|backup/);
      expect(() => restoreKey(deps, { backup }, undefined)).not.toThrow(secret.hmacKey);
    }
    for (const backup of ['', 'AAAA', '????', base64('{"form":1,"form":2}')]) {
      expect(() => restoreKey(deps, { backup }, undefined)).toThrow('backup');
    }
  });
});

describe('bringing keys along', () => {
  let wrappingKey: TransitKey;
  beforeAll(async () => {
    const facts = factsOf('rsa-4096');
    if (facts.family !== 'rsa') throw new Error('expected rsa');
    wrappingKey = transit.keep(createKey(deps, 'wrapping', wrappingKeyRequest, await generateRsa(facts)));
  }, 120_000);

  /** As OpenBao's guide to wrapping keys says to do it. */
  function wrap(target: Buffer, oaepHash = 'sha256', ephemeral = randomBytes(32)): string {
    const publicKey = createPublicKey(String(describeWrappingKey(wrappingKey)['public_key']));
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const block = publicEncrypt({ key: publicKey, padding, oaepHash }, ephemeral);
    return base64(Buffer.concat([block, wrapPadded(ephemeral, target)]));
  }

  const material = (type: KeyType, body: Fields) =>
    importMaterial(deps, wrappingKey, type, body['derived'] === true, body);
  async function bring(type: KeyType, body: Fields): Promise<TransitKey> {
    const request = readImportRequest({ ...body, type });
    return transit.keep(createKey(deps, 'brought', request, await material(type, body), request));
  }
  const der = (key: KeyObject) => key.export({ format: 'der', type: 'pkcs8' });
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  it.each([
    ['ed25519', generateKeyPairSync('ed25519')],
    ['ecdsa-p256', p256],
    ['ecdsa-p521', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['rsa-2048', generateKeyPairSync('rsa', { modulusLength: 2048 })],
  ] as const)('takes a private key of type %s, and signs with it', async (type, pair) => {
    const key = await bring(type, { ciphertext: wrap(der(pair.privateKey)) });
    const signature = unwire(
      textOf(await signRequest(deps, key, { input: 'YQ==', signature_algorithm: 'pkcs1v15' }), 'signature'),
    );

    expect(
      nodeVerify(type === 'ed25519' ? null : 'sha256', Buffer.from('a'), pair.publicKey, signature),
    ).toBe(true);
    expect(key).toMatchObject({ imported: true, allowRotation: false });
    expect(() => requireRotatable(key)).toThrow('does not allow rotation');
  });

  it.each([
    ['aes128-gcm96', 16],
    ['aes256-gcm96', 32],
    ['chacha20-poly1305', 32],
    ['hmac', 47],
  ] as const)('takes a raw key of type %s, and no other size', async (type, size) => {
    const raw = randomBytes(size);
    const key = await bring(type, { ciphertext: wrap(raw) });

    expect(deps.material.secret(key, 1).export()).toEqual(raw);
    await expect(
      bring(type, { ciphertext: wrap(randomBytes(type === 'hmac' ? 31 : size - 1)) }),
    ).rejects.toThrow('bytes, got');
  });

  it.each(['SHA1', 'SHA224', 'SHA256', 'SHA384', 'SHA512'])(
    'unwraps with OAEP and %s',
    async (hash_function) => {
      const ciphertext = wrap(Buffer.alloc(32, 3), hash_function.toLowerCase());
      expect((await material('aes256-gcm96', { ciphertext, hash_function })).material).toBe(
        base64(Buffer.alloc(32, 3)),
      );
    },
  );

  it('says the same whatever does not unwrap', async () => {
    const good = Buffer.from(wrap(Buffer.alloc(32)), 'base64');
    const changed = (at: number) => {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return base64(bytes);
    };
    const hostile = [
      changed(100),
      changed(512),
      changed(good.length - 1),
      base64(good.subarray(0, 512)),
      base64(good.subarray(0, -8)),
      base64(good.subarray(1)),
      wrap(Buffer.alloc(32), 'sha512'),
      wrap(Buffer.alloc(32), 'sha256', randomBytes(16)),
      base64(Buffer.alloc(13_000)),
    ];
    for (const ciphertext of hostile) {
      await expect(material('aes256-gcm96', { ciphertext })).rejects.toThrow(
        'expected a key wrapped with this wrapping_key (RSA-OAEP, AES-KWP), got other bytes',
      );
    }
  });

  it('refuses keys of another type, size and shape', async () => {
    const wrapped = (key: KeyObject) => ({ ciphertext: wrap(der(key)) });
    await expect(bring('ecdsa-p384', wrapped(p256.privateKey))).rejects.toThrow('of its type, got another');
    await expect(bring('ed25519', wrapped(p256.privateKey))).rejects.toThrow('of its type, got another');
    await expect(
      bring('rsa-3072', wrapped(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)),
    ).rejects.toThrow('of its type, got another');
    await expect(bring('ecdsa-p256', { ciphertext: wrap(Buffer.from('not a key')) })).rejects.toThrow(
      'PKCS#8',
    );
    // The private number of one key beside the public point of another.
    const mixed = der(p256.privateKey);
    der(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey).copy(
      mixed,
      mixed.length - 65,
      mixed.length - 65,
    );
    await expect(bring('ecdsa-p256', { ciphertext: wrap(mixed) })).rejects.toThrow(
      /belongs to its public half|PKCS#8/,
    );
    const pem = String(p256.privateKey.export({ format: 'pem', type: 'pkcs8' }));
    await expect(bring('ecdsa-p256', { public_key: pem })).rejects.toThrow('SubjectPublicKeyInfo');
    await expect(bring('aes256-gcm96', { public_key: pem })).rejects.toThrow('has a public half');
    await expect(bring('ecdsa-p256', {})).rejects.toThrow('one of ciphertext and public_key');
    await expect(material('aes256-gcm96', { ciphertext: 'AAAA', hash_function: 'MD5' })).rejects.toThrow(
      'hash_function',
    );
    expect(() => readImportRequest({ convergent_encryption: true })).toThrow('convergent');
    expect(() => readImportRequest({ auto_rotate_period: '24h' })).toThrow('allow_rotation');
  });

  it('takes a public key, which verifies and encrypts, and later the private one that belongs to it', async () => {
    const pem = String(p256.publicKey.export({ format: 'pem', type: 'spki' }));
    const key = await bring('ecdsa-p256', { public_key: pem, exportable: true });
    const signature = `vault:v1:${base64(nodeSign('sha256', Buffer.from('a'), p256.privateKey))}`;

    expect((await verifyRequest(deps, key, { input: 'YQ==', signature })).data['valid']).toBe(true);
    expect(() => signRequest(deps, key, { input: 'YQ==' })).toThrow(
      'to have a private key, got a public one',
    );
    expect(exported(key, 'signing-key')).toEqual({ 1: '' });
    const importMore = (from: TransitKey, of: KeyObject, body: Fields = {}) =>
      material('ecdsa-p256', { ciphertext: wrap(der(of)) }).then((made) =>
        transit.keep(importVersion(deps, from, made, body)),
      );
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    await expect(importMore(key, stranger, { version: 1 })).rejects.toThrow('takes only the private key');
    await expect(importMore(key, stranger, { version: 2 })).rejects.toThrow('expected a version');
    const complete = await importMore(key, p256.privateKey);
    expect(complete.latestVersion).toBe(1);
    expect(signRequest(deps, complete, { input: 'YQ==' })).toMatchObject({ status: 200 });
    const next = await importMore(complete, stranger);
    expect(next.latestVersion).toBe(2);
    await expect(importMore(await transit.create({ type: 'ecdsa-p256' }), stranger)).rejects.toThrow(
      'imported key',
    );
  });
});

function pkcs8(text: string) {
  return { key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' } as const;
}

function spki(text: string) {
  return { key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' } as const;
}
