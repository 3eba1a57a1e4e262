import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { associatedData, decryptBytes, encryptBytes, wrapKey } from './aead.ts';
import { dekData, kekData, recordData } from './binding.ts';

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

describe('what a ciphertext is bound to', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

  // Scope and address are bound at two links of the chain, so no record shows when one of them forgets it.
  it('is every name it is for, at each link', () => {
    const all = [
      kekData('a', 1, 1),
      kekData('b', 1, 1),
      kekData('a', 2, 1),
      kekData('a', 1, 2),
      dekData('a', 'k', 1),
      dekData('b', 'k', 1),
      dekData('a', 'l', 1),
      dekData('a', 'k', 2),
      recordData('a', 'k'),
      recordData('b', 'k'),
      recordData('a', 'l'),
    ];
    expect(new Set(all.map(hex)).size).toBe(all.length);
  });

  it('stays the same for ever, or stored records would not open', () => {
    const frame = (text: string) => text.length.toString(16).padStart(8, '0') + hex(Buffer.from(text));
    const framed = (...parts: string[]) => parts.map(frame).join('');

    expect(hex(kekData('system', 3, 2))).toBe(framed('sallyport/keyring/v1/kek', 'system', '3', '2'));
    expect(hex(dekData('system', 'k', 3))).toBe(framed('sallyport/keyring/v1/dek', 'system', 'k', '3'));
    expect(hex(recordData('system', 'k'))).toBe(framed('sallyport/keyring/v1/record', 'system', 'k'));
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
