import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFault } from '../fault.ts';
import { concatBytes, equalBytes, fromUtf8, utf8 } from './bytes.ts';
import { digestHash, digestOf, parseDigest } from './digest.ts';
import { fromBase64, fromHex, toBase64, toHex } from './encodings.ts';
import { SecretBytes } from './secret-bytes.ts';

const bytesOf = fc.uint8Array({ maxLength: 200 });

describe('encodings', () => {
  it('give back what they were given, and agree with the runtime', () => {
    fc.assert(
      fc.property(bytesOf, (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  it('have one spelling for each value', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'AQgw/+=9zZ'), maxLength: 12 }), (text) => {
        try {
          expect(toBase64(fromBase64(text))).toBe(text);
        } catch (error) {
          expect(isFault(error)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('encode more than the stack has arguments for', () => {
    const large = new Uint8Array(1_000_000).fill(7);

    expect(fromBase64(toBase64(large))).toEqual(large);
  });

  it.each([
    'A',
    'AA',
    'AAA',
    'AB==',
    'AAB=',
    'A===',
    '====',
    'AA==AA==',
    'AA-_',
    'AAAA\n',
    'AA A',
    ' AAA',
    'AA=A',
    'ÄAAA',
  ])('refuse the base64 %j', (text) => {
    expect(() => fromBase64(text)).toThrow(/expected canonical base64/);
  });

  it.each(['a', 'AB', '0g', '0x00', ' 00'])('refuse the hexadecimal %j', (text) => {
    expect(() => fromHex(text)).toThrow(/hexadecimal/);
  });
});

describe('UTF-8', () => {
  it('gives back well-formed text and keeps a byte order mark', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(fromUtf8(utf8(text))).toBe(text);
      }),
    );
    expect(fromUtf8(utf8('\ufeffa'))).toBe('\ufeffa');
  });

  it('refuses what is not UTF-8: lone surrogates, overlong forms, cut sequences', () => {
    expect(() => utf8('\ud800')).toThrow(/lone surrogate/);
    for (const bytes of [[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xff], [0xf5, 0x80, 0x80, 0x80]]) {
      expect(() => fromUtf8(Uint8Array.from(bytes))).toThrow(/UTF-8/);
    }
  });
});

describe('bytes', () => {
  it('are joined and compared', () => {
    fc.assert(
      fc.property(bytesOf, bytesOf, (a, b) => {
        expect(equalBytes(a, b)).toBe(toHex(a) === toHex(b));
        expect(toHex(concatBytes(a, b))).toBe(toHex(a) + toHex(b));
      }),
    );
  });
});

describe('digests', () => {
  it('are SHA-256 in OCI form', () => {
    const empty = digestOf(new Uint8Array());

    expect(empty).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(toHex(digestHash(parseDigest(empty)))).toBe(empty.slice(7));
  });

  it.each([
    '',
    'sha256:',
    `sha256:${'A'.repeat(64)}`,
    `sha512:${'a'.repeat(64)}`,
    `sha256:${'a'.repeat(65)}`,
    `sha256:${'a'.repeat(64)}\n`,
  ])('refuse %j', (text) => {
    expect(() => parseDigest(text)).toThrow(/sha256/);
  });
});

describe('SecretBytes', () => {
  const secret = () => SecretBytes.fromUtf8('hunter2');

  it('never prints', () => {
    const shown = [
      String(secret()),
      `${secret()}`,
      JSON.stringify({ secret: secret() }),
      inspect(secret()),
      inspect({ deep: { secret: secret() } }, { depth: 9, showHidden: true }),
      JSON.stringify(structuredClone({ secret: { ...secret() } })),
      Object.keys(secret()).join(),
    ];

    for (const text of shown) {
      expect(text).not.toContain('hunter2');
      expect(text).not.toContain('104');
    }
    expect(shown[0]).toBe('[secret]');
  });

  it('gives its bytes only when asked, and not after it was wiped', () => {
    const held = secret();
    const exposed = held.expose();
    expect(held.exposeUtf8()).toBe('hunter2');

    held.wipe();

    expect([...exposed]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(() => held.expose()).toThrow(/wiped/);
  });

  it('copies what it is made from', () => {
    const source = utf8('hunter2');
    const held = SecretBytes.from(source);

    source.fill(0);

    expect(held.exposeUtf8()).toBe('hunter2');
  });

  it('compares by content', () => {
    expect(secret().equals(secret())).toBe(true);
    expect(secret().equals(SecretBytes.fromUtf8('hunter3'))).toBe(false);
    expect(secret().equals(SecretBytes.fromUtf8('hunter22'))).toBe(false);
  });
});
