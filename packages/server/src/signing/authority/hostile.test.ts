import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { concatBytes, der, isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkProof, keyOfRequest } from './proof.ts';
import { acceptKey, parsePublicPem } from './public-key.ts';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = Uint8Array.from(key.publicKey.export({ type: 'spki', format: 'der' }));
const pem = (bytes: Uint8Array, label = 'PUBLIC KEY') =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes).toString('base64')}\n-----END ${label}-----\n`;
const refused = expect.objectContaining({ kind: 'invalid', code: 'signing.key_invalid' });

describe('a public key', () => {
  it('is taken as it is, on a named curve with an uncompressed point', () => {
    expect(acceptKey(spki).spki).toEqual(spki);
    expect(parsePublicPem(pem(spki)).spki).toEqual(spki);
  });

  it('is refused when its point is not on the curve, at infinity, or compressed', () => {
    const off = spki.slice();
    off[off.length - 1] = (off.at(-1) ?? 0) ^ 1;
    const algorithm = spki.slice(2, 23);
    const point = (bytes: Uint8Array) => der.sequence(algorithm, der.bitString(bytes));
    const x = spki.slice(27, 59);
    const compressed = concatBytes(Uint8Array.of(2 + ((spki.at(-1) ?? 0) & 1)), x);

    for (const bytes of [off, point(Uint8Array.of(0)), point(compressed), point(new Uint8Array(65))])
      expect(() => acceptKey(bytes)).toThrow(refused);
  });

  it.skipIf(spawnSync('openssl', ['version']).status !== 0)(
    'is refused on a curve that is written out, also when it is P-256 in all but name',
    () => {
      const explicit = execFileSync(
        'openssl',
        ['ec', '-pubin', '-inform', 'DER', '-param_enc', 'explicit', '-outform', 'DER'],
        { input: spki, stdio: ['pipe', 'pipe', 'ignore'] },
      );

      expect(explicit.length).toBeGreaterThan(spki.length);
      expect(() => acceptKey(explicit)).toThrow(refused);
    },
  );

  it('is refused when weak or of another kind', () => {
    const weak = [
      generateKeyPairSync('rsa', { modulusLength: 1024 }),
      generateKeyPairSync('rsa-pss', { modulusLength: 2048 }),
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ec', { namedCurve: 'P-224' }),
      generateKeyPairSync('x25519'),
      generateKeyPairSync('ed448'),
    ];

    for (const { publicKey } of weak)
      expect(() => acceptKey(publicKey.export({ type: 'spki', format: 'der' }))).toThrow(refused);
  });

  it('is refused as a private key, as two, with text around it, and in other wrappings', () => {
    const privatePem = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

    for (const text of [
      privatePem,
      pem(spki) + pem(spki),
      `hello ${pem(spki)}`,
      pem(spki, 'CERTIFICATE'),
      pem(concatBytes(spki, Uint8Array.of(0)), 'PUBLIC KEY').replace('PUBLIC', 'RSA PUBLIC'),
      'x'.repeat(100_000),
      '',
    ])
      expect(() => parsePublicPem(text)).toThrow(refused);
  });
});

describe('a proof', () => {
  const accepted = acceptKey(spki);
  const signed = sign('sha256', Buffer.from('sub'), key.privateKey);

  it('counts for its text and key only', () => {
    const other = acceptKey(
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' }),
    );
    expect(() => checkProof(accepted, 'sub', signed)).not.toThrow();

    const invalid = expect.objectContaining({ code: 'signing.proof_invalid' });
    expect(() => checkProof(accepted, 'sub2', signed)).toThrow(invalid);
    expect(() => checkProof(other, 'sub', signed)).toThrow(invalid);
    expect(() => checkProof(accepted, 'sub', signed.subarray(1))).toThrow(invalid);
    expect(() => checkProof(accepted, 'sub', new Uint8Array(0))).toThrow(invalid);
    expect(() => checkProof(accepted, 'sub', new Uint8Array(5000))).toThrow(invalid);
    expect(() => checkProof(accepted, 'sub', sign('sha1', Buffer.from('sub'), key.privateKey))).toThrow(
      invalid,
    );
  });
});

describe('a certificate request', () => {
  const ecdsa = der.sequence(der.oid('1.2.840.10045.4.3.2'));
  function csr(over: { algorithm?: Uint8Array; key?: Uint8Array; extra?: Uint8Array } = {}): Uint8Array {
    const info = der.sequence(
      der.integer(0),
      der.sequence(),
      over.key ?? spki,
      der.implicit(0, der.set(over.extra ?? der.null())),
    );
    return der.sequence(info, over.algorithm ?? ecdsa, der.bitString(sign('sha256', info, key.privateKey)));
  }
  const fails = (bytes: Uint8Array): void => {
    let error: unknown;
    try {
      keyOfRequest(bytes);
    } catch (caught) {
      error = caught;
    }
    expect(isFault(error) && error.kind).toBe('invalid');
  };

  it('gives the key that signed it', () => {
    expect(keyOfRequest(csr()).spki).toEqual(spki);
    expect(keyOfRequest(Buffer.from(pem(csr(), 'CERTIFICATE REQUEST'))).spki).toEqual(spki);
  });

  it('is refused when another key signed it, or by an algorithm of another kind', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    fails(csr({ key: Uint8Array.from(other.publicKey.export({ type: 'spki', format: 'der' })) }));
    fails(csr({ algorithm: der.sequence(der.oid('1.2.840.113549.1.1.11')) }));
    fails(csr({ algorithm: der.sequence(der.oid('1.2.840.10045.4.1')) }));
    fails(csr({ algorithm: der.sequence(der.oid('1.3.101.112')) }));
  });

  it('is refused as a bomb: deep, wide, large', () => {
    let deep = der.null();
    for (let depth = 0; depth < 200; depth += 1) deep = der.sequence(deep);
    fails(csr({ extra: deep }));
    fails(csr({ extra: der.sequence(...Array.from({ length: 12_000 }, () => der.null())) }));
    fails(csr({ extra: der.octetString(new Uint8Array(20_000)) }));
  });

  it('is refused with every byte of it changed, cut or added', () => {
    const good = csr();
    for (let at = 0; at < good.length; at += 1) {
      const changed = good.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x01;
      fails(changed);
      fails(good.subarray(0, at));
    }
    fails(concatBytes(good, Uint8Array.of(0)));
  });

  it('is refused for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), fails), { numRuns: 300 });
  });
});
