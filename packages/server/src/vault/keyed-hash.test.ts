import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeyedHash, hashKeyBytes } from './keyed-hash.ts';

const key = Uint8Array.from({ length: hashKeyBytes }, (_, index) => index * 7);
const keyed = createKeyedHash(key);
const encodings = fc.constantFrom('hex' as const, 'base64url' as const);

describe('a keyed hash', () => {
  it('is the HMAC-SHA256 that the runtime computes, in both encodings', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), encodings, fc.constantFrom(1, 30), (text, encoding, n) => {
        const bytes = Buffer.from(text.repeat(n));
        const expected = createHmac('sha256', key).update(bytes).digest(encoding);

        expect(keyed.text(text.repeat(n), encoding)).toBe(expected);
        expect(keyed.bytes(bytes, 0, bytes.length, encoding)).toBe(expected);
        expect(keyed.begin().update(bytes).digest(encoding)).toBe(expected);
      }),
    );
  });

  it('keeps a copy of its key, and nothing after it was wiped', () => {
    const own = Uint8Array.from(key);
    const copied = createKeyedHash(own);
    own.fill(0);

    expect(copied.text('value', 'hex')).toBe(keyed.text('value', 'hex'));
    copied.wipe();
    expect(() => copied.text('value', 'hex')).toThrow('wiped');
    expect(() => copied.bytes(key, 0, 3, 'hex')).toThrow('wiped');
    expect(() => copied.begin()).toThrow('wiped');
  });

  it('refuses a key of another size', () => {
    expect(() => createKeyedHash(new Uint8Array(33))).toThrow('expected a key of 32 bytes, got 33');
  });
});
