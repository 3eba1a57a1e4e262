import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFault } from '../fault.ts';
import { canonicalJson, parseCanonicalJson } from './canonical.ts';
import { parseStrictJson } from './strict.ts';

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'accepted';
}

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('parseStrictJson', () => {
  it('reads what JSON.parse reads, to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 1, 2), (value, indent) => {
        const written = JSON.stringify(value, null, indent);
        fc.pre(written.isWellFormed() && !/\\ud[89a-f]/i.test(written));

        expect(parseStrictJson(written)).toEqual(JSON.parse(written));
      }),
    );
  });

  it('refuses every text that JSON.parse refuses, with a Fault', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\ntue0-1.eE /') }), (garbage) => {
        let valid = true;
        try {
          JSON.parse(garbage);
        } catch {
          valid = false;
        }

        const code = codeOf(() => parseStrictJson(garbage));

        // The other way round strictness may refuse more: duplicate keys.
        if (!valid) expect(code).toMatch(/^formats\.json_/);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['nothing', '', 'formats.json_syntax'],
    ['a duplicate key', '{"a":1,"a":2}', 'formats.json_duplicate_key'],
    ['a duplicate key written with an escape', '{"a":1,"\\u0061":2}', 'formats.json_duplicate_key'],
    ['a duplicate __proto__', '{"__proto__":1,"__proto__":2}', 'formats.json_duplicate_key'],
    ['data behind the value', '{} {}', 'formats.json_trailing'],
    ['a comma at the end', '[1,]', 'formats.json_syntax'],
    ['65 levels', nested(65), 'formats.json_too_deep'],
    ['a million levels', '['.repeat(1_000_000), 'formats.json_too_deep'],
    ['a lone surrogate as an escape', '"\\ud800"', 'formats.json_surrogate'],
    ['a lone surrogate itself', '"\ud800"', 'formats.json_surrogate'],
    ['a number beyond a double', '1e999', 'formats.json_number'],
    ['a leading zero', '01', 'formats.json_trailing'],
    ['a plus sign', '+1', 'formats.json_syntax'],
    ['a raw newline in a string', '"a\nb"', 'formats.json_syntax'],
    ['an unknown escape', '"\\x41"', 'formats.json_syntax'],
    ['an escape named like a method', '"\\constructor"', 'formats.json_syntax'],
    ['a byte order mark', '\ufeff{}', 'formats.json_syntax'],
    ['a cut string', '"abc', 'formats.json_syntax'],
    ['a cut escape', '"\\', 'formats.json_syntax'],
    ['a cut unicode escape', '"\\u00', 'formats.json_syntax'],
    ['a comment', '/**/1', 'formats.json_syntax'],
    ['NaN', 'NaN', 'formats.json_syntax'],
  ])('refuses %s', (_, hostile, code) => {
    expect(codeOf(() => parseStrictJson(hostile))).toBe(code);
  });

  it('counts the limit in bytes of UTF-8', () => {
    expect(parseStrictJson('"ää"', { maxBytes: 6 })).toBe('ää');
    expect(codeOf(() => parseStrictJson('"ää"', { maxBytes: 5 }))).toBe('formats.json_too_large');
    expect(codeOf(() => parseStrictJson(`"${'a'.repeat(100)}"`, { maxBytes: 101 }))).toBe(
      'formats.json_too_large',
    );
  });

  it('takes 64 levels', () => {
    expect(codeOf(() => parseStrictJson(nested(64)))).toBe('accepted');
  });

  it('makes "__proto__" a member like any other', () => {
    const value = parseStrictJson('{"__proto__":{"admin":true}}');

    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value as object)).toEqual(['__proto__']);
    expect('admin' in (value as object)).toBe(false);
    expect(canonicalJson(value)).toBe('{"__proto__":{"admin":true}}');
  });

  it('says where and what', () => {
    expect(() => parseStrictJson('{\n  "a": 1,\n  "a": 2\n}')).toThrow(
      /each key once, not "a" again at line 3, column 3/,
    );
  });
});

describe('canonicalJson', () => {
  it('is read back to the same value and is its own canonical form', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }), (value) => {
        const written = canonicalJson(value);

        expect(parseCanonicalJson(written)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(parseStrictJson(written))).toBe(written);
      }),
    );
  });

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer()), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse());

        expect(canonicalJson(reversed)).toBe(canonicalJson(object));
      }),
    );
  });

  it.each([
    ['undefined', undefined],
    ['undefined in an object', { a: undefined }],
    ['a hole', Object.assign([1], { length: 2 })],
    ['NaN', Number.NaN],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a date', new Date(0)],
    ['bytes', new Uint8Array(2)],
    ['a map', new Map()],
    ['a lone surrogate', '\udfff'],
    ['a lone surrogate as key', { '\ud800': 1 }],
  ])('refuses %s', (_, value) => {
    expect(codeOf(() => canonicalJson(value))).toBe('formats.json_value');
  });

  it('refuses a circle instead of running out of stack', () => {
    const circle: unknown[] = [];
    circle.push(circle);

    expect(codeOf(() => canonicalJson(circle))).toBe('formats.json_value');
  });
});

describe('parseCanonicalJson', () => {
  it.each([
    '{"b":1,"a":2}',
    '{"a": 1}',
    '[1.0]',
    '[1e2]',
    '"\\u0041"',
    '"\\/"',
    '[-0]',
    '1\n',
    '[12345678901234567890]',
  ])('refuses the other spelling %s', (spelling) => {
    expect(codeOf(() => parseCanonicalJson(spelling))).toBe('formats.json_not_canonical');
  });
});
