import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { associatedData, decryptBytes, encryptBytes, wrapKey } from './aead.ts';

describe('associated data', () => {
  it('binds lists of names so that no two lists look alike', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string(), { maxLength: 4 }),
        fc.array(fc.string(), { maxLength: 4 }),
        (a, b) => {
          fc.pre(JSON.stringify(a) !== JSON.stringify(b));
          expect(associatedData('test', ...a)).not.toEqual(associatedData('test', ...b));
        },
      ),
    );
    expect(associatedData('test', 'ab', 'c')).not.toEqual(associatedData('test', 'a', 'bc'));
    expect(associatedData('test', 'a')).not.toEqual(associatedData('tes', 'ta'));
  });
});

describe('encryption', () => {
  it('agrees with test case 14 of the GCM specification (McGrew and Viega, 2005)', () => {
    const zeros = (sizeBytes: number) => new Uint8Array(sizeBytes);
    const sealed = encryptBytes(zeros(32), zeros(12), zeros(0), zeros(16));

    expect(Buffer.from(sealed).toString('hex')).toBe(
      'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    );
    expect(decryptBytes(zeros(32), zeros(12), zeros(0), sealed)).toEqual(Buffer.alloc(16));
  });

  it('refuses keys and nonces of another size, and tags that were cut', () => {
    const key = new Uint8Array(32);
    expect(() => encryptBytes(key.slice(1), new Uint8Array(12), key, key)).toThrow('32 bytes');
    expect(() => encryptBytes(key, new Uint8Array(16), key, key)).toThrow('12 bytes');
    expect(() => wrapKey(key, new Uint8Array(12), key, new Uint8Array(16))).toThrow('32 bytes');
    const sealed = encryptBytes(key, new Uint8Array(12), key, key);
    // GCM with a shortened tag is forgeable (NIST SP 800-38D appendix C).
    for (let cut = 1; cut < 16; cut += 1) {
      expect(decryptBytes(key, new Uint8Array(12), key, sealed.slice(0, -cut))).toBeUndefined();
    }
  });
});
