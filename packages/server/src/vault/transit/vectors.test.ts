import { createCipheriv, createHash, createSecretKey } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import { open, seal } from './aead.ts';
import { deriveBytes } from './derive.ts';
import { hmacRequest } from './hmac.ts';
import { type AeadFacts, factsOf } from './key-types.ts';
import { wrapPadded } from './kwp.fixture.ts';
import { signRequest } from './sign.ts';
import { atOnce, base64, createTransitFixture, hex, textOf, unwire } from './transit.fixture.ts';
import { verifyRequest } from './verify.ts';

const transit = createTransitFixture();
const { deps } = transit;
afterAll(() => deps.thread.close());

const aead = (type: 'aes128-gcm96' | 'aes256-gcm96' | 'chacha20-poly1305') => factsOf(type) as AeadFacts;

describe('authenticated encryption', () => {
  // McGrew and Viega, "The Galois/Counter Mode of Operation" (2005), appendix B: test cases 4 and 16.
  const plaintext = hex(`d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39`);
  const associated = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
  const nonce = hex('cafebabefacedbaddecaf888');

  it('agrees with test case 16 of GCM, AES-256 with associated data', () => {
    const key = hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308');
    const sealed = seal(aead('aes256-gcm96'), key, nonce, plaintext, associated);

    expect(sealed.subarray(12).toString('hex')).toBe(
      hex(`522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838
        c5f61e6393ba7a0abcc9f662 76fc6ece0f4e1768cddf8853bb2d551b`).toString('hex'),
    );
    expect(open(aead('aes256-gcm96'), key, sealed, associated)).toEqual(plaintext);
  });

  it('agrees with test case 4 of GCM, AES-128 with associated data', () => {
    const key = hex('feffe9928665731c6d6a8f9467308308');
    const sealed = seal(aead('aes128-gcm96'), key, nonce, plaintext, associated);

    expect(sealed.subarray(-16).toString('hex')).toBe('5bc94fbc3221a5db94fae95ae7121a47');
  });

  it('agrees with RFC 8439 section 2.8.2, ChaCha20-Poly1305', () => {
    const key = hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f');
    const text = Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    const sealed = seal(
      aead('chacha20-poly1305'),
      key,
      hex('070000004041424344454647'),
      text,
      hex('50515253c0c1c2c3c4c5c6c7'),
    );

    expect(sealed.subarray(12, 44).toString('hex')).toBe(
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6',
    );
    expect(sealed.subarray(-16).toString('hex')).toBe('1ae10b594f09e26a7e902ecbd0600691');
  });
});

describe('derivation', () => {
  it('agrees with RFC 5869 appendix A.3, HKDF-SHA256 without salt', () => {
    const secret = createSecretKey(Buffer.alloc(22, 0x0b));

    expect(deriveBytes(secret, new Uint8Array(0), 42).toString('hex')).toBe(
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    );
  });
});

describe('signatures', () => {
  it.each([
    {
      // RFC 8032 section 7.1, TEST 1.
      seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
      publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      message: '',
      signature: `e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b
        d25bf5f0595bbe24655141438e7a100b`,
    },
    {
      // TEST 2.
      seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
      publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      message: '72',
      signature: `92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c
        387b2eaeb4302aeeb00d291612bb0c00`,
    },
  ])('agree with RFC 8032 section 7.1 over "$message"', ({ seed, publicKey, message, signature }) => {
    const key = transit.createOf('ed25519', {
      material: base64(Buffer.concat([hex(seed), hex(publicKey)])),
      publicKey: base64(hex(publicKey)),
    });
    const signed = atOnce(signRequest(deps, key, { input: base64(hex(message)) }));

    expect(unwire(textOf(signed, 'signature'))).toEqual(hex(signature));
  });

  it('of RFC 6979 appendix A.2.5 verify, over the message and over its digest, in both forms of s', async () => {
    const pem = `-----BEGIN PUBLIC KEY-----\n${base64(
      hex(`3059301306072a8648ce3d020106082a8648ce3d030107034200 04
        60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6
        7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299`),
    )}\n-----END PUBLIC KEY-----\n`;
    const key = transit.createOf('ecdsa-p256', { material: '', publicKey: pem });
    // This s is above half the order: a verifier of blockchains would refuse it.
    const raw = hex(`efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
      f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8`);
    const body = { signature: `vault:v1:${raw.toString('base64url')}`, marshaling_algorithm: 'jws' };
    const digest = createHash('sha256').update('sample').digest();

    expect((await verifyRequest(deps, key, { ...body, input: base64('sample') })).data).toEqual({
      valid: true,
    });
    const prehashed = { ...body, input: base64(digest), prehashed: true };
    expect((await verifyRequest(deps, key, prehashed)).data).toEqual({ valid: true });
    const other = { ...prehashed, input: base64(digest.reverse()) };
    expect((await verifyRequest(deps, key, other)).data).toEqual({ valid: false });
  });
});

describe('HMAC', () => {
  it('agrees with RFC 4231 section 4.7 (test case 6)', () => {
    const material = base64(Buffer.alloc(131, 0xaa));
    const key = transit.createOf('hmac', { material, publicKey: '' }, { key_size: 131 });
    const input = base64('Test Using Larger Than Block-Size Key - Hash Key First');
    const hmac = (hash: string) => unwire(textOf(atOnce(hmacRequest(deps, key, { input }, hash)), 'hmac'));

    expect(hmac('sha2-256').toString('hex')).toBe(
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    );
    expect(hmac('sha2-224').toString('hex')).toBe('95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e');
  });
});

describe('AES key wrap with padding', () => {
  // RFC 5649 section 6. The fixture is an implementation of its own, which then judges OpenSSL's with 256 bits.
  const kek = hex('5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8');

  it.each([
    [
      'c37b7e6492584340bed12207808941155068f738',
      '138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a',
    ],
    ['466f7250617369', 'afbeb0f07dfbf5419200f2ccb50bb24f'],
  ])('of %s agrees with RFC 5649', (key, wrapped) => {
    expect(wrapPadded(kek, hex(key)).toString('hex')).toBe(wrapped);
  });

  it('is what the runtime does, for every size', () => {
    const wide = Buffer.alloc(32, 7);
    for (let size = 1; size <= 70; size += 1) {
      const cipher = createCipheriv('id-aes256-wrap-pad', wide, hex('a65959a6'));
      const theirs = Buffer.concat([cipher.update(Buffer.alloc(size, 3)), cipher.final()]);

      expect(wrapPadded(wide, Buffer.alloc(size, 3))).toEqual(theirs);
    }
  });
});
