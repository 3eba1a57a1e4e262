import { afterAll, describe, expect, it } from 'vitest';
import { configureKey, trimKey } from './configure.ts';
import { describeKey } from './describe.ts';
import { encryptRequest } from './encrypt.ts';
import { type TransitKey, versionOf } from './key.ts';
import { parseKeyType } from './key-types.ts';
import { readCreateRequest, recordUses, rotationDue } from './lifecycle.ts';
import { parseKeyName, parseKeyRecord } from './record.ts';
import { hashRequest, randomRequest } from './tools.ts';
import { atOnce, createTransitFixture } from './transit.fixture.ts';

const transit = createTransitFixture();
const { deps } = transit;
afterAll(() => deps.thread.close());

async function rotated(times: number): Promise<TransitKey> {
  let key = await transit.create();
  for (let count = 0; count < times; count += 1) key = await transit.rotate(key);
  return key;
}

describe('creating a key', () => {
  it.each([
    [{ type: 'des' }, 'unknown key type'],
    [{ type: 'constructor' }, 'unknown key type'],
    [{ type: 'xchacha20-poly1305' }, 'that OpenSSL has'],
    [{ convergent_encryption: true }, 'requires derivation'],
    [{ type: 'ecdsa-p256', derived: true }, 'not supported for keys of type ecdsa-p256'],
    [{ type: 'rsa-2048', derived: true }, 'not supported'],
    [{ type: 'hmac', derived: true }, 'not supported'],
    [{ type: 'ed25519', derived: true, convergent_encryption: true }, 'not supported'],
    [{ type: 'hmac', key_size: 31 }, 'from 32 to 512'],
    [{ type: 'hmac', key_size: 513 }, 'from 32 to 512'],
    [{ key_size: 32 }, 'type hmac only'],
    [{ auto_rotate_period: '59m' }, 'at least an hour'],
    [{ auto_rotate_period: -1 }, 'auto_rotate_period'],
    [{ exportable: 'perhaps' }, 'true or false'],
  ])('with %j is refused', (body, message) => {
    expect(() => readCreateRequest(body)).toThrow(message);
  });

  it('takes the defaults of Vault', () => {
    expect(readCreateRequest({})).toEqual({
      type: 'aes256-gcm96',
      derived: false,
      convergentEncryption: false,
      exportable: false,
      allowPlaintextBackup: false,
      autoRotatePeriodSeconds: 0,
      keySizeBytes: 0,
    });
    expect(readCreateRequest({ auto_rotate_period: '24h', type: 'hmac' })).toMatchObject({
      autoRotatePeriodSeconds: 86_400,
      keySizeBytes: 32,
    });
  });
});

describe('a key, shown', () => {
  it('has creation times in seconds for symmetric versions', async () => {
    expect(describeKey(deps, await rotated(1))).toEqual({
      name: 'k',
      type: 'aes256-gcm96',
      keys: { 1: 1_795_176_000, 2: 1_795_176_000 },
      latest_version: 2,
      min_available_version: 0,
      min_decryption_version: 1,
      min_encryption_version: 0,
      derived: false,
      exportable: false,
      allow_plaintext_backup: false,
      deletion_allowed: false,
      auto_rotate_period: 0,
      imported_key: false,
      supports_encryption: true,
      supports_decryption: true,
      supports_signing: false,
      supports_derivation: true,
    });
  });

  it.each([
    ['ecdsa-p256', 'P-256'],
    ['ecdsa-p384', 'P-384'],
    ['ecdsa-p521', 'P-521'],
    ['rsa-2048', 'rsa-2048'],
  ])('of type %s has public keys in PEM under the name %s', async (type, name) => {
    const { keys } = describeKey(deps, await transit.create({ type }));

    expect(keys).toEqual({
      1: {
        creation_time: '2026-11-20T12:00:00.000Z',
        name,
        public_key: expect.stringMatching(
          /^-----BEGIN PUBLIC KEY-----\n[\s\S]+\n-----END PUBLIC KEY-----\n$/,
        ),
      },
    });
  });

  it('of type ed25519 has the raw public key in base64', async () => {
    const { keys } = describeKey(deps, await transit.create({ type: 'ed25519' }));

    expect(keys).toEqual({
      1: expect.objectContaining({ name: 'ed25519', public_key: expect.stringMatching(/^[\w+/]{43}=$/) }),
    });
  });

  it('holds no secret, and neither does its record', async () => {
    for (const type of ['aes256-gcm96', 'ed25519', 'ecdsa-p256', 'hmac']) {
      const key = await transit.create({ type });
      const { material, hmacKey } = deps.material.reveal(key, 1);
      for (const text of [JSON.stringify(key), JSON.stringify(describeKey(deps, key))]) {
        expect(text).not.toContain(material);
        expect(text).not.toContain(hmacKey);
        expect(text).not.toContain(Buffer.from(material, 'base64').subarray(0, 32).toString('base64'));
      }
    }
  });
});

describe('configuring', () => {
  it.each([
    [{ min_decryption_version: 5 }, 'latest key version is 4'],
    [{ min_encryption_version: 5 }, 'latest key version is 4'],
    [{ min_decryption_version: 3, min_encryption_version: 2 }, 'to be at least min_decryption_version'],
    [{ min_decryption_version: -1 }, 'whole number'],
    [{ auto_rotate_period: 60 }, 'at least an hour'],
    [{ deletion_allowed: 2 }, 'true or false'],
  ])('with %j is refused', async (body, message) => {
    const key = await rotated(3);
    expect(() => configureKey(key, body)).toThrow(message);
  });

  it('counts versions from 1, and switches nothing off that gave secrets away', async () => {
    const key = await rotated(1);
    const on = configureKey(key, { exportable: true, allow_plaintext_backup: 'True', deletion_allowed: 1 });
    const off = configureKey(on.key, {
      exportable: false,
      allow_plaintext_backup: false,
      deletion_allowed: false,
      min_decryption_version: 0,
    });

    expect(on.warnings).toEqual([]);
    expect(off.key).toMatchObject({
      exportable: true,
      allowPlaintextBackup: true,
      deletionAllowed: false,
      minDecryptionVersion: 1,
    });
    expect(off.warnings.length).toBe(3);
  });
});

describe('trimming', () => {
  it('forgets versions that both minima left behind, and no others', async () => {
    const { key } = configureKey(await rotated(9), { min_decryption_version: 3, min_encryption_version: 9 });
    const trimmed = trimKey(key, { min_available_version: 2 });

    expect(Object.keys(trimmed.versions)).toEqual(['2', '3', '4', '5', '6', '7', '8', '9', '10']);
    expect(() => trimKey(key, { min_available_version: 4 })).toThrow('at most 3');
    expect(() => trimKey(key, {})).toThrow('got none');
    expect(() => trimKey(trimmed, { min_available_version: 1 })).toThrow('decremented');
    expect(() => configureKey(trimmed, { min_decryption_version: 1 })).toThrow('still available');
    expect(() => configureKey(trimmed, { min_encryption_version: 0 })).toThrow('still available');
  });

  it('needs a minimum for encryption', async () => {
    const { key } = configureKey(await rotated(2), { min_decryption_version: 2 });
    expect(() => trimKey(key, { min_available_version: 1 })).toThrow('min_encryption_version');
  });
});

describe('rotation on its own', () => {
  it('is due when the period is over', async () => {
    const { key } = configureKey(await transit.create(), { auto_rotate_period: '1h' });
    const at = (seconds: number) =>
      rotationDue(deps.cache, key, new Date(transit.time.now.getTime() + seconds * 1000));

    expect([at(0), at(3599), at(3600), at(9999)]).toEqual([false, false, true, true]);
    expect(rotationDue(deps.cache, { ...key, imported: true, allowRotation: false }, new Date())).toBe(false);
  });

  it('is due before a version met 2^32 random nonces, counted with few writes', async () => {
    const key = await transit.create();
    expect(recordUses(deps.cache, key)).toBeUndefined();
    for (let count = 0; count < 2 ** 20 - 1; count += 1) deps.material.countUse(key, 1);
    expect(recordUses(deps.cache, key)).toBeUndefined();

    atOnce(encryptRequest(deps, key, { plaintext: '' }));
    const recorded = recordUses(deps.cache, key);

    expect(recorded?.versions[1]?.uses).toBe(2 ** 20);
    expect(recordUses(deps.cache, key)).toBeUndefined();
    const worn = { ...key, versions: { 1: { ...versionOf(key, 1), uses: 2 ** 32 - 2 ** 28 - 1 } } };
    expect(rotationDue(deps.cache, worn, transit.time.now)).toBe(false);
    atOnce(encryptRequest(deps, worn, { plaintext: '' }));
    expect(rotationDue(deps.cache, worn, transit.time.now)).toBe(true);
  });
});

describe('the cache of material', () => {
  it('asks for a secret once, and again after it was wiped', async () => {
    const key = await transit.create();
    let asked = 0;
    const material = deps.cache.over(({ id }) => {
      asked += 1;
      return transit.secrets.get(id);
    });
    material.secret(key, 1);
    material.hmacKey(key, 1);
    expect(asked).toBe(1);
    deps.cache.wipe();
    material.secret(key, 1);
    expect(asked).toBe(2);
  });

  it('does not use one key for another of the same name and version', async () => {
    const [a, b] = [await transit.create(), await transit.create()];
    expect(deps.material.secret(a, 1).equals(deps.material.secret(b, 1))).toBe(false);
  });

  it('says nothing about material that does not parse', async () => {
    const key = await transit.create({ type: 'ecdsa-p256' });
    const broken = deps.cache.over(() => ({ material: 'c2VjcmV0', hmacKey: 'c2VjcmV0' }));
    expect(() => broken.privateKey(key, 1)).toThrow(/of type ecdsa-p256, got other bytes$/);
    expect(() => deps.cache.over(() => undefined).privateKey(key, 1)).toThrow('got none');
  });
});

describe('a record', () => {
  it('is read back as it was, and in no other shape', async () => {
    const key = configureKey(await rotated(2), { min_encryption_version: 2, min_decryption_version: 2 }).key;
    const json = JSON.parse(JSON.stringify(key));
    expect(parseKeyRecord(json)).toEqual(key);
    for (const change of [
      { type: 'des' },
      { name: '../k' },
      { latestVersion: 4 },
      { latestVersion: '3' },
      { versions: [] },
      { versions: { ...json.versions, 7: json.versions[1] } },
      { minDecryptionVersion: 0 },
      { minEncryptionVersion: 1 },
      { minAvailableVersion: 2 },
      { convergentEncryption: true },
      { exportable: 1 },
      { backup: {} },
    ]) {
      expect(() => parseKeyRecord({ ...json, ...change })).toThrow(/transit|key/);
    }
    for (const value of [null, [], 'x', 7]) expect(() => parseKeyRecord(value)).toThrow('objects');
  });

  it('has a name that is one segment of a path', () => {
    expect(['a', 'a.b-c_d', '_1'].map(parseKeyName)).toEqual(['a', 'a.b-c_d', '_1']);
    for (const name of ['', '.', '..', 'a/b', '-a', 'a.', 'ä', 'a'.repeat(129), 'a\n']) {
      expect(() => parseKeyName(name)).toThrow('key name');
    }
    expect(parseKeyType('rsa-3072')).toBe('rsa-3072');
  });
});

describe('random bytes and hashes', () => {
  const size = (body: object, path: string[], form: 'base64' | 'hex' = 'base64') =>
    Buffer.from(String(randomRequest(deps.random, { ...body }, path).data['random_bytes']), form).length;

  it('come in the number that path or body say', () => {
    expect(size({}, [])).toBe(32);
    expect(size({ bytes: 5 }, [])).toBe(5);
    expect(size({ bytes: 5 }, ['7'])).toBe(7);
    expect(size({ bytes: 5 }, ['platform', '9'])).toBe(9);
    expect(size({ bytes: '5' }, ['all'])).toBe(5);
    expect(size({ bytes: 131_072, format: 'hex' }, [], 'hex')).toBe(131_072);
    expect(randomRequest(deps.random, {}, ['seal']).warnings.length).toBe(1);
  });

  it.each([
    [{ bytes: 0 }, []],
    [{ bytes: 131_073 }, []],
    [{}, ['0']],
    [{}, ['moon']],
    [{}, ['platform', 'x']],
    [{ format: 'utf8' }, []],
  ])('with %j and path %j are refused', (body, path) => {
    expect(() => randomRequest(deps.random, body, path)).toThrow(/expected|unsupported/);
  });

  it('are those of FIPS 180-4 and 202', () => {
    const of = (hash?: string, format?: string) =>
      hashRequest({ input: 'YWJj', ...(format ? { format } : {}) }, hash).data['sum'];

    expect(of()).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(of('sha3-256')).toBe('3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532');
    expect(Buffer.from(String(of('sha2-256', 'base64')), 'base64').toString('hex')).toBe(of('sha2-256'));
    expect(() => of('md5')).toThrow('md5');
    expect(() => hashRequest({})).toThrow('missing input');
  });
});
