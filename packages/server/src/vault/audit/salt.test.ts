import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hmacOf, saltBytes } from './exchange.fixture.ts';
import { auditSaltBytes, createAuditSalt, makeAuditSalt } from './salt.ts';

const salt = createAuditSalt(saltBytes);
/** Any UTF-16 unit: lone surrogates too. */
const unicode = fc.nat(0xffff).map((unit) => String.fromCharCode(unit));

describe('the hash of an audit device', () => {
  it('is the HMAC-SHA256 that the runtime computes, for texts of every length and with lone surrogates', () => {
    fc.assert(
      fc.property(fc.string({ unit: unicode, maxLength: 200 }), fc.constantFrom(1, 2, 50), (text, n) => {
        const long = text.repeat(n);
        const bytes = Buffer.from(long, 'utf8');

        expect(salt.hash(long)).toBe(hmacOf(bytes));
        expect(salt.hashBytes(Buffer.concat([Buffer.from('x'), bytes]), 1, bytes.length + 1)).toBe(
          hmacOf(bytes),
        );
      }),
    );
    expect(salt.hash('\ud800')).toBe(hmacOf(Buffer.from([0xef, 0xbf, 0xbd])));
  });

  it('agrees around the sizes where the way of computing changes', () => {
    for (const size of [0, 1, 63, 64, 65, 5461, 5462, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 1024 * 1024]) {
      const bytes = Buffer.alloc(size, 0x61);

      expect(salt.hash(bytes.toString('latin1')), `${size}`).toBe(hmacOf(bytes));
      expect(salt.hashBytes(bytes, 0, size), `${size}`).toBe(hmacOf(bytes));
    }
  });

  it('equals the test vector of RFC 4231 section 4.2 with its key padded by zeros to a salt', () => {
    // HMAC pads a key with zeros to the block, so the 20-byte key of the vector may be written with 32 bytes.
    const key = new Uint8Array(auditSaltBytes).fill(0x0b, 0, 20);

    expect(createAuditSalt(key).hash('Hi There')).toBe(
      'hmac-sha256:b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    );
  });

  it('is another one under another salt, and none after the salt was wiped', () => {
    const other = createAuditSalt(makeAuditSalt({ bytes: (n) => new Uint8Array(n).fill(7) }));
    const before = other.hash('value');

    expect(before).not.toBe(salt.hash('value'));
    other.wipe();
    expect(() => other.hash('value')).toThrow('wiped');
    expect(() => other.hashBytes(new Uint8Array(3), 0, 3)).toThrow('wiped');
    expect(() => other.begin()).toThrow('wiped');
  });

  it('refuses a salt of another size', () => {
    expect(() => createAuditSalt(new Uint8Array(31))).toThrow('expected a key of 32 bytes, got 31');
  });
});
