import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { der } from '../asn1/write.ts';
import { fromHex } from '../bytes/encodings.ts';
import { verifyDigest } from './ecdsa-digest.ts';
import { readVerifyingKey, verifySignature } from './verifying-key.ts';

const curves = ['P-256', 'P-384', 'P-521'] as const;
const pairs = Object.fromEntries(
  curves.map((namedCurve) => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
    const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
    return [namedCurve, { key: readVerifyingKey(spki), privateKey }];
  }),
);
const sha = (name: string, bytes: Uint8Array) => new Uint8Array(createHash(name).update(bytes).digest());

describe('ECDSA over a digest', () => {
  it('agrees with OpenSSL over the message, for true signatures and for changed ones', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('P-256', 'P-384'),
        fc.constantFrom('sha256', 'sha384', 'sha512'),
        fc.uint8Array({ maxLength: 50 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (curve, hash, message, at, bits) => {
          const pair = pairs[curve];
          if (pair === undefined) throw new Error('the pair was made');
          const signature = new Uint8Array(sign(hash, message, pair.privateKey));
          const digest = sha(hash, message);
          expect(verifyDigest(pair.key, digest, signature)).toBe(true);
          signature[at % signature.length] = (signature[at % signature.length] ?? 0) ^ bits;
          expect(verifyDigest(pair.key, digest, signature)).toBe(
            verifySignature(pair.key, hash as 'sha256', message, signature),
          );
          expect(verifyDigest(pair.key, sha(hash, Uint8Array.of(...message, 1)), signature)).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('verifies the vector of RFC 6979 A.2.5 and refuses numbers outside of the order', () => {
    const spki = fromHex(
      `3059301306072a8648ce3d020106082a8648ce3d03010703420004${'60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6'}${'7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299'}`,
    );
    const key = readVerifyingKey(spki);
    const digest = sha('sha256', new TextEncoder().encode('sample'));
    const r = 0xefd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716n;
    const s = 0xf7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8n;
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const signed = (a: bigint, b: bigint): boolean =>
      verifyDigest(key, digest, der.sequence(der.integer(a), der.integer(b)));
    expect(signed(r, s)).toBe(true);
    const refused: readonly (readonly [bigint, bigint])[] = [
      [0n, s],
      [r, 0n],
      [r + n, s],
      [r, s + n],
      [n, s],
      [r, n],
      [s, r],
      [1n, 1n],
    ];
    for (const [a, b] of refused) expect(signed(a, b)).toBe(false);
    for (const junk of ['', '3000', '3003020101', '300602010102018080']) {
      expect(verifyDigest(key, digest, fromHex(junk))).toBe(false);
    }
    expect(verifyDigest(key, digest, der.sequence(der.integer(r), der.integer(s), der.null()))).toBe(false);
  });

  it('is not for other curves', () => {
    const pair = pairs['P-521'];
    if (pair === undefined) throw new Error('the pair was made');
    const digest = sha('sha512', Uint8Array.of(1));
    expect(
      verifyDigest(pair.key, digest, new Uint8Array(sign('sha512', Uint8Array.of(1), pair.privateKey))),
    ).toBe(false);
  });
});
