import {
  constants,
  createHash,
  createPublicKey,
  verify as nodeVerify,
  publicDecrypt,
  sign,
} from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { configureKey } from './configure.ts';
import { describeKey } from './describe.ts';
import { encodePss, maxSaltSize, verifyPss } from './emsa.ts';
import { requireHash } from './hashes.ts';
import { hmacRequest } from './hmac.ts';
import { type TransitKey, versionOf } from './key.ts';
import { signRequest } from './sign.ts';
import { atOnce, base64, createTransitFixture, results, textOf, unwire } from './transit.fixture.ts';
import { verifyRequest } from './verify.ts';

const transit = createTransitFixture();
const { deps } = transit;
afterAll(() => deps.thread.close());

const rsa = transit.create({ type: 'rsa-2048' });
const curves = ['ecdsa-p256', 'ecdsa-p384', 'ecdsa-p521'] as const;
const hashes = [
  'sha1',
  'sha2-224',
  'sha2-256',
  'sha2-384',
  'sha2-512',
  'sha3-224',
  'sha3-256',
  'sha3-384',
  'sha3-512',
];
const message = Buffer.from('release 42');
const input = base64(message);
const digestOf = (hash: string, of: Uint8Array = message) =>
  createHash(requireHash({}, hash).openssl).update(of).digest();
const publicOf = (key: TransitKey) => createPublicKey(versionOf(key, key.latestVersion).publicKey);

async function signature(key: TransitKey, body: object, hash?: string): Promise<string> {
  return textOf(await signRequest(deps, key, { ...body }, hash), 'signature');
}

async function valid(key: TransitKey, body: object, hash?: string): Promise<unknown> {
  return (await verifyRequest(deps, key, { ...body }, hash)).data['valid'];
}

describe.each(curves)('ECDSA with %s', (type) => {
  it.each(hashes)('over %s is what others verify, as message and as digest, in both forms', async (hash) => {
    const key = await transit.create({ type });
    for (const prehashed of [false, true]) {
      for (const [marshaling_algorithm, dsaEncoding] of [
        ['asn1', 'der'],
        ['jws', 'ieee-p1363'],
      ] as const) {
        const what = prehashed ? base64(digestOf(hash)) : input;
        const body = { input: what, prehashed, marshaling_algorithm };
        const signed = await signature(key, body, hash);
        const bytes = unwire(signed, dsaEncoding === 'der' ? 'base64' : 'base64url');
        const openssl = requireHash({}, hash).openssl;

        expect(nodeVerify(openssl, message, { key: publicOf(key), dsaEncoding }, bytes)).toBe(true);
        expect(await valid(key, { ...body, signature: signed }, hash)).toBe(true);
        expect(
          await valid(key, { ...body, prehashed: false, input: base64('other'), signature: signed }, hash),
        ).toBe(false);
      }
    }
  });

  it('takes one form for the other in no case, and says no to what is no signature', async () => {
    const key = await transit.create({ type });
    const asn1 = unwire(await signature(key, { input }));
    for (const prehashed of [false, true]) {
      const what = { input: prehashed ? base64(digestOf('sha2-256')) : input, prehashed };
      const answers = [
        Buffer.of(),
        Buffer.of(0x30),
        Buffer.alloc(64),
        Buffer.alloc(132),
        asn1.subarray(1),
      ].map((bytes) => valid(key, { ...what, signature: `vault:v1:${base64(bytes)}` }));
      const jws = {
        ...what,
        marshaling_algorithm: 'jws',
        signature: `vault:v1:${asn1.toString('base64url')}`,
      };

      expect(await Promise.all([...answers, valid(key, jws)])).toEqual(Array(6).fill(false));
    }
  });
});

describe('a digest to sign', () => {
  it('has a size that a hash has: ECDSA reads only its first bits', async () => {
    const key = await transit.create({ type: 'ecdsa-p256' });
    for (const size of [0, 1, 16, 31, 33, 65, 1000]) {
      const body = { input: base64(Buffer.alloc(size)), prehashed: true };
      expect(() => signRequest(deps, key, body)).toThrow('expected a digest');
      expect(() => verifyRequest(deps, key, { ...body, signature: 'vault:v1:AAAA' })).toThrow(
        'expected a digest',
      );
    }
  });
});

describe('Ed25519', () => {
  it('signs the input itself, and others verify it', async () => {
    const key = await transit.create({ type: 'ed25519' });
    const raw = versionOf(key, 1).publicKey;
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(raw, 'base64')]);
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(511), (bytes, bit) => {
        const signed = textOf(atOnce(signRequest(deps, key, { input: base64(bytes) })), 'signature');
        const changed = unwire(signed);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const check = (of: string) =>
          atOnce(verifyRequest(deps, key, { input: base64(bytes), signature: of })).data['valid'];

        expect(nodeVerify(null, bytes, publicKey, unwire(signed))).toBe(true);
        expect(check(signed)).toBe(true);
        expect(check(`vault:v1:${base64(changed)}`)).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('derived, has a key for each context and tells which', async () => {
    const key = await transit.create({ type: 'ed25519', derived: true });
    const context = base64('a');
    const { data } = atOnce(signRequest(deps, key, { input, context }));
    const shown = (query: object) =>
      JSON.parse(JSON.stringify(describeKey(deps, key, { ...query }))).keys[1].public_key;

    expect(shown({ context })).toBe(data['public_key']);
    expect(shown({ context: base64('b') })).not.toBe(data['public_key']);
    expect(shown({})).toBe('');
    expect(await valid(key, { input, context, signature: data['signature'] })).toBe(true);
    expect(await valid(key, { input, context: base64('b'), signature: data['signature'] })).toBe(false);
    expect(() => signRequest(deps, key, { input })).toThrow("missing 'context'");
  });
});

describe('RSA', () => {
  const paddings = [
    ['pss', constants.RSA_PKCS1_PSS_PADDING],
    ['pkcs1v15', constants.RSA_PKCS1_PADDING],
  ] as const;

  it.each(hashes)(
    'over %s is what OpenSSL verifies, as message and as digest, with both paddings',
    async (hash) => {
      const key = await rsa;
      const openssl = requireHash({}, hash).openssl;
      for (const [signature_algorithm, padding] of paddings) {
        for (const prehashed of [false, true]) {
          const what = prehashed ? base64(digestOf(hash)) : input;
          const body = { input: what, prehashed, signature_algorithm };
          const signed = await signature(key, body, hash);
          const theirs = sign(openssl, message, { key: deps.material.privateKey(key, 1) as never, padding });

          expect(nodeVerify(openssl, message, { key: publicOf(key), padding }, unwire(signed))).toBe(true);
          expect(await valid(key, { ...body, signature: signed }, hash)).toBe(true);
          expect(await valid(key, { ...body, signature: `vault:v1:${base64(theirs)}` }, hash)).toBe(true);
          const changed = unwire(signed);
          changed[9] = (changed[9] ?? 0) ^ 4;
          expect(await valid(key, { ...body, signature: `vault:v1:${base64(changed)}` }, hash)).toBe(false);
        }
      }
    },
  );

  it('keeps the length of the salt that was asked for', async () => {
    const key = await rsa;
    const most = 256 - 32 - 2;
    for (const [salt_length, size] of [
      ['auto', most],
      ['0', most],
      ['hash', 32],
      ['-1', 32],
      [20, 20],
    ] as const) {
      for (const prehashed of [false, true]) {
        const body = { input: prehashed ? base64(digestOf('sha2-256')) : input, prehashed, salt_length };
        const signed = await signature(key, body);
        const options = { key: publicOf(key), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: size };

        expect(nodeVerify('sha256', message, options, unwire(signed))).toBe(true);
        expect(await valid(key, { ...body, signature: signed })).toBe(true);
        expect(await valid(key, { ...body, signature: signed, salt_length: 21 })).toBe(false);
      }
    }
    expect(() => signRequest(deps, key, { input, salt_length: '223' })).toThrow('at most 222');
    expect(() => signRequest(deps, key, { input, salt_length: '-2' })).toThrow('salt_length');
    expect(() => signRequest(deps, key, { input, salt_length: 'long' })).toThrow('salt_length');
  });

  it('signs bare bytes only when they are said to be a digest, with PKCS #1 v1.5', async () => {
    const key = await rsa;
    const bare = { input: base64('bare bytes'), prehashed: true, signature_algorithm: 'pkcs1v15' };
    const signed = await signature(key, bare, 'none');

    expect(publicDecrypt(publicOf(key), unwire(signed)).toString()).toBe('bare bytes');
    expect(await valid(key, { ...bare, signature: signed }, 'none')).toBe(true);
    expect(() => signRequest(deps, key, { ...bare, prehashed: false }, 'none')).toThrow('requires both');
    expect(() => signRequest(deps, key, { ...bare, signature_algorithm: 'pss' }, 'none')).toThrow(
      'requires both',
    );
    const long = { ...bare, input: base64(Buffer.alloc(246)) };
    expect(() => signRequest(deps, key, long, 'none')).toThrow('too many');
  });

  it('refuses a digest of another size than its hash', async () => {
    const key = await rsa;
    const body = { input: base64(Buffer.alloc(31)), prehashed: true };

    expect(() => signRequest(deps, key, body)).toThrow('a digest of 32 bytes');
    expect(() => verifyRequest(deps, key, { ...body, signature: 'vault:v1:AAAA' })).toThrow('32 bytes');
  });
});

describe('PSS', () => {
  it('verifies only what it encoded: every bit of the block counts', () => {
    const hash = requireHash({}, 'sha2-256');
    const digest = digestOf('sha2-256');
    for (const saltSize of [0, 20, maxSaltSize(hash, 128)]) {
      const block = encodePss(hash, digest, Buffer.alloc(saltSize, 5), 128);
      expect(verifyPss(hash, digest, block, undefined)).toBe(true);
      expect(verifyPss(hash, digest, block, saltSize)).toBe(true);
      expect(verifyPss(hash, digest, block, saltSize + 1)).toBe(false);
      for (let bit = 0; bit < block.length * 8; bit += 1) {
        const flipped = Buffer.from(block);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(verifyPss(hash, digest, flipped, undefined)).toBe(false);
      }
      expect(verifyPss(hash, digest, block.subarray(1), undefined)).toBe(false);
      expect(verifyPss(hash, digest, Buffer.alloc(0), undefined)).toBe(false);
    }
  });
});

describe('versions of signatures', () => {
  it('are the latest or the one asked for, and verify while the minimum allows', async () => {
    let key = await transit.rotate(await transit.create({ type: 'ed25519' }));
    const old = await signature(key, { input, key_version: '1' });

    expect(old.startsWith('vault:v1:')).toBe(true);
    expect(await signature(key, { input })).toMatch(/^vault:v2:/);
    expect(await valid(key, { input, signature: old })).toBe(true);
    expect(await valid(key, { input, signature: old.replace('v1', 'v2') })).toBe(false);
    ({ key } = configureKey(key, { min_decryption_version: 2, min_encryption_version: 2 }));
    expect(() => verifyRequest(deps, key, { input, signature: old })).toThrow('too old');
    expect(() => signRequest(deps, key, { input, key_version: 1 })).toThrow('from 2 to 2');
  });
});

describe('a batch of signatures', () => {
  it('keeps its order over the thread, and errors stay with their items', async () => {
    const key = await rsa;
    const items = [{ input: base64('a') }, { input: '?' }, {}, { input: base64('d'), reference: 'last' }];
    const answer = await signRequest(deps, key, { batch_input: items });
    const [a, b, c, d] = results(answer);

    expect(answer.status).toBe(200);
    expect(b).toEqual({ error: expect.stringContaining('base64') });
    expect(c).toEqual({ error: 'missing input' });
    expect(d).toMatchObject({ key_version: 1, reference: 'last' });
    const checked = await verifyRequest(deps, key, {
      batch_input: [
        { input: base64('a'), signature: a?.['signature'] },
        { input: base64('a'), signature: d?.['signature'] },
        { input: base64('a'), signature: 'vault:v1:?' },
      ],
    });
    expect(results(checked)).toEqual([
      { valid: true },
      { valid: false },
      { error: expect.stringContaining('base64') },
    ]);
  });
});

describe('HMACs', () => {
  it.each(['aes256-gcm96', 'ed25519', 'hmac'])(
    'of a key of type %s verify, and with nothing changed',
    async (type) => {
      const key = await transit.rotate(await transit.create({ type }));
      for (const hash of hashes) {
        const hmac = textOf(atOnce(hmacRequest(deps, key, { input }, hash)), 'hmac');
        const changed = unwire(hmac);
        changed[3] = (changed[3] ?? 0) ^ 1;

        expect(hmac.startsWith('vault:v2:')).toBe(true);
        expect(await valid(key, { input, hmac }, hash)).toBe(true);
        expect(await valid(key, { input: base64('x'), hmac }, hash)).toBe(false);
        expect(await valid(key, { input, hmac: `vault:v2:${base64(changed)}` }, hash)).toBe(false);
        expect(await valid(key, { input, hmac: hmac.replace('v2', 'v1') }, hash)).toBe(false);
        expect(await valid(key, { input, hmac: `vault:v2:${base64(unwire(hmac).subarray(1))}` }, hash)).toBe(
          false,
        );
      }
    },
  );

  it('come in batches, and are never mixed with signatures', async () => {
    const key = await transit.create({ type: 'ed25519' });
    const made = atOnce(hmacRequest(deps, key, { batch_input: [{ input }, { input: 7 }] }));
    const [first, second] = results(made);

    expect(second).toEqual({ error: expect.stringContaining('as text') });
    const ok = { input, hmac: first?.['hmac'] };
    expect(results(await verifyRequest(deps, key, { batch_input: [ok, ok] }))).toEqual([
      { valid: true },
      { valid: true },
    ]);
    for (const body of [
      { batch_input: [ok, { input, signature: await signature(key, { input }) }] },
      { batch_input: [ok, { input }] },
      { ...ok, signature: 'vault:v1:AAAA' },
      { input },
      { input, hmac: '', signature: '' },
    ]) {
      expect(() => verifyRequest(deps, key, body)).toThrow("one of 'signature' and 'hmac'");
    }
  });
});

describe('requests that no key can serve', () => {
  it('are refused', async () => {
    const aes = await transit.create();
    const key = await transit.create({ type: 'ecdsa-p256' });

    expect(() => signRequest(deps, aes, { input })).toThrow('does not support signing');
    expect(() => verifyRequest(deps, aes, { input, signature: 'vault:v1:AA==' })).toThrow('does not support');
    expect(() => signRequest(deps, key, { input }, 'md5')).toThrow('got "md5"');
    expect(() => signRequest(deps, key, { input, hash_algorithm: 'constructor' })).toThrow('constructor');
    expect(() => signRequest(deps, key, { input, marshaling_algorithm: 'pem' })).toThrow('asn1');
    expect(() => signRequest(deps, key, { input, signature_algorithm: 'pkcs7' })).toThrow('pkcs1v15');
    expect(() => signRequest(deps, key, { input, prehashed: 'maybe' })).toThrow('true or false');
    expect(() => hmacRequest(deps, key, { input }, 'none')).toThrow('got none');
  });
});
