import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { der } from '@sallyport/formats';
import { describe, expect, it } from 'vitest';
import { curves, inverse, modulo } from './curves.ts';
import { ecdsaDigestVerifier, rsaDigestVerifier } from './digest-signature.ts';

const oracles = { 'P-256': p256, 'P-384': p384, 'P-521': p521 } as const;

describe.each(curves)('ECDSA over a digest on $name', (curve) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve.name });
  const verifier = ecdsaDigestVerifier(publicKey);
  if (verifier === undefined) throw new Error('no verifier');
  const digestOf = (text: string) => Uint8Array.from(createHash(curve.hash).update(text).digest());
  const signed = (text: string) => Uint8Array.from(sign(curve.hash, Buffer.from(text), privateKey));

  it('takes what the key signed, and nothing else', () => {
    for (let i = 0; i < 20; i += 1) {
      expect(verifier(digestOf(`artifact ${i}`), signed(`artifact ${i}`))).toBe(true);
      expect(verifier(digestOf(`artifact ${i}`), signed(`artifact ${i + 1}`))).toBe(false);
    }
  });

  it('agrees with another implementation on signatures with a bit changed', () => {
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
    const digest = digestOf('artifact');
    const good = signed('artifact');
    for (let i = 0; i < 40; i += 1) {
      const changed = good.slice();
      const at = (i * 7) % changed.length;
      changed[at] = (changed[at] ?? 0) ^ (1 << (i % 8));
      let theirs = false;
      try {
        theirs = oracles[curve.name].verify(changed, digest, point, {
          prehash: false,
          lowS: false,
          format: 'der',
        });
      } catch {
        // Bytes that are no signature.
      }
      expect(verifier(digest, changed)).toBe(theirs);
    }
  });

  it('takes a signature of the empty message, whose key need not be moved', () => {
    expect(verifier(digestOf(''), signed(''))).toBe(true);
    expect(verifier(digestOf('x'), signed(''))).toBe(false);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['zeros', der.sequence(der.integer(0n), der.integer(0n))],
    ['r of the order', der.sequence(der.integer(curve.order), der.integer(1n))],
    ['s of the order', der.sequence(der.integer(1n), der.integer(curve.order))],
    ['three numbers', der.sequence(der.integer(1n), der.integer(1n), der.integer(1n))],
    ['one number', der.sequence(der.integer(1n))],
    ['a longer number', der.sequence(der.integer(2n ** 800n), der.integer(1n))],
    ['negative numbers', Uint8Array.of(0x30, 6, 2, 1, 0xff, 2, 1, 0xff)],
    ['bytes behind', Uint8Array.of(0x30, 6, 2, 1, 1, 2, 1, 1, 0)],
    ['a long form of its length', Uint8Array.of(0x30, 0x81, 6, 2, 1, 1, 2, 1, 1)],
  ])('refuses %s', (_what, bytes) => {
    expect(verifier(digestOf('artifact'), bytes)).toBe(false);
  });

  it('refuses digests of another length', () => {
    expect(verifier(digestOf('artifact').slice(1), signed('artifact'))).toBe(false);
  });

  it('refuses numbers chosen so that the moved key would be the sum of a point with itself', () => {
    // A signer who knows d can make t = d, and with it Q = tG: z = e + r d.
    const { d = '' } = privateKey.export({ format: 'jwk' });
    const secret = BigInt(`0x${Buffer.from(d, 'base64url').toString('hex')}`);
    const empty = BigInt(`0x${createHash(curve.hash).update('').digest('hex')}`);
    const r = 12345n;
    const z = modulo(empty + r * secret, curve.order);
    const bits = { sha256: 64, sha384: 96, sha512: 128 }[curve.hash];
    if (z >= 1n << BigInt(bits * 4)) return;
    const digest = Uint8Array.from(Buffer.from(z.toString(16).padStart(bits, '0'), 'hex'));
    expect(verifier(digest, der.sequence(der.integer(r), der.integer(7n)))).toBe(false);
  });

  it('inverts', () => {
    for (const value of [1n, 2n, 12345678901234567890n, curve.prime - 1n]) {
      expect(modulo(value * inverse(value, curve.prime), curve.prime)).toBe(1n);
    }
  });
});

it('has no verifier for other curves', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  expect(
    ecdsaDigestVerifier(createPublicKey(publicKey.export({ format: 'pem', type: 'spki' }))),
  ).toBeUndefined();
});

describe('RSA over a digest', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const verifier = rsaDigestVerifier(publicKey);
  const digest = Uint8Array.from(createHash('sha256').update('artifact').digest());

  it('takes what the key signed, and nothing else', () => {
    const signature = Uint8Array.from(sign('sha256', Buffer.from('artifact'), privateKey));
    expect(verifier(digest, signature)).toBe(true);
    expect(
      verifier(
        digest.map((byte) => byte ^ 1),
        signature,
      ),
    ).toBe(false);
    expect(verifier(digest, Uint8Array.from(sign('sha512', Buffer.from('artifact'), privateKey)))).toBe(
      false,
    );
    expect(verifier(digest, signature.slice(1))).toBe(false);
    expect(verifier(digest.slice(1), signature)).toBe(false);
  });
});
