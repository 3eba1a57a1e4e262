import { SecretBytes } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerOf, format, hmacOf } from './exchange.fixture.ts';
import { RawJson } from './json-walk.ts';

const raw = (text: string | Uint8Array) => new RawJson(typeof text === 'string' ? Buffer.from(text) : text);

function dataOf(value: unknown, clear: readonly string[] = []): unknown {
  return JSON.parse(answerOf(value, clear)).response.data;
}

/** JSON of a value as a hostile client may spell it: spaces everywhere, every character escaped, numbers with exponents. */
function spelled(value: unknown): string {
  if (typeof value === 'string') {
    return `"${Array.from({ length: value.length }, (_, i) => `\\u${value.charCodeAt(i).toString(16).padStart(4, '0').toUpperCase()}`).join('')}"`;
  }
  if (typeof value === 'number') return Object.is(value, -0) ? '-0.0' : value.toExponential();
  if (Array.isArray(value)) return `[ ${value.map(spelled).join(' ,\t')}\r\n]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, member]) => `${spelled(key)} : ${spelled(member)}`);
    return `\n{ ${members.join(' , ')} }`;
  }
  return JSON.stringify(value);
}

/** Any UTF-16 unit: lone surrogates too. */
const unicode = fc.oneof(fc.nat(0xff), fc.nat(0xffff)).map((unit) => String.fromCharCode(unit));
const json = fc.jsonValue({ maxDepth: 6, stringUnit: unicode });
const hostile = ['__proto__', 'constructor', 'toString', '\u2028', '\0', '\ud800', '"\\\n', 'é', '😀', ''];
const object = fc.dictionary(
  fc.oneof(fc.string({ unit: unicode, maxLength: 12 }), fc.constantFrom(...hostile)),
  json,
  { maxKeys: 6 },
);

/** All leaves of a value as the texts that are hashed. */
function leaves(value: unknown): string[] {
  if (value === null) return [];
  if (typeof value === 'object') return Object.values(value).flatMap(leaves);
  return [String(value)];
}

describe('the data of an audit line', () => {
  it('shows no value, keeps every name, and is the same from an object and from any spelling of its bytes', () => {
    fc.assert(
      fc.property(object, (data) => {
        const line = answerOf(data);

        expect(answerOf(raw(JSON.stringify(data)))).toBe(line);
        expect(answerOf(raw(spelled(data)))).toBe(line);
        const shown = JSON.parse(line).response.data;
        expect(leaves(shown)).toEqual(leaves(data).map(hmacOf));
        expect(Object.keys(shown)).toEqual(Object.keys(data));
      }),
      { numRuns: 400 },
    );
  });

  it('shows no value of eight characters or more anywhere in the line', () => {
    const secret = fc
      .string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 40 })
      .filter((text) => !/^ *$/.test(text));
    const nested = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        secret,
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('a', 'b', '__proto__'), tie('node')),
      ),
    })).node;
    fc.assert(
      fc.property(nested, (value) => {
        const line = answerOf({ value });
        // Names are shown: a value that is a part of one says nothing here.
        const shown = answerOf({ value: '', ['__proto__']: '' });

        for (const text of leaves(value)) {
          if (text.length >= 8 && !shown.includes(text)) {
            expect(line).not.toContain(text);
            expect(line).not.toContain(JSON.stringify(text).slice(1, -1));
          }
        }
      }),
      { examples: [[{ a: '_proto__' }]] },
    );
  });

  it('hashes integers by their digits, and other numbers by the one text their double has', () => {
    const numbers = '[1, 1.0, 1e0, 10e-1, -0, 0, 1e400, -1e400, 12345678901234567890, 0.1, 123456789012345]';

    const texts = [
      '1',
      '1',
      '1',
      '1',
      '0',
      '0',
      'Infinity',
      '-Infinity',
      '12345678901234567890',
      '0.1',
      '123456789012345',
    ];
    expect(dataOf({ numbers: raw(numbers) })).toEqual({ numbers: texts.map(hmacOf) });
    expect(dataOf({ numbers: [1, -0, Number.POSITIVE_INFINITY, Number.NaN, 12345678901234567890n] })).toEqual(
      {
        numbers: ['1', '0', 'Infinity', 'NaN', '12345678901234567890'].map(hmacOf),
      },
    );
  });

  it('keeps in clear what the mount names, lists below it included, objects below it not', () => {
    const data = {
      type: 'ed25519',
      keys: ['a', 1, true, null],
      name: 'n',
      deep: { type: ['x', { type: 'y', z: 'z' }, 'w'] },
      big: Number.POSITIVE_INFINITY,
    };
    const clear = ['type', 'keys', 'big'];

    const shown = {
      type: 'ed25519',
      keys: ['a', 1, true, null],
      name: hmacOf('n'),
      deep: { type: ['x', { type: 'y', z: hmacOf('z') }, 'w'] },
      big: 'Infinity',
    };
    expect(dataOf(data, clear)).toEqual(shown);
    expect(dataOf(raw(JSON.stringify(data).replace('"big":null', '"big":1e999')), clear)).toEqual(shown);
    expect(dataOf({ type: SecretBytes.fromUtf8('s') }, clear)).toEqual({ type: hmacOf('s') });
  });

  it('hashes secret bytes and buffers as the text they are, wherever they stand', () => {
    expect(dataOf({ a: [SecretBytes.fromUtf8('pässword')], b: Buffer.from('bytes') })).toEqual({
      a: [hmacOf('pässword')],
      b: hmacOf('bytes'),
    });
    expect(dataOf({ data: raw('{"k":"v"}'), metadata: { version: 1 } })).toEqual({
      data: { k: hmacOf('v') },
      metadata: { version: hmacOf('1') },
    });
  });

  it('makes one hash of what lies too deep, and of too many values, from an object and from bytes', () => {
    const deep = (levels: number): string =>
      `${'{"k":['.repeat(levels)}"secret \\u00e9"${']}'.repeat(levels)}`;
    // 32 levels are shown: the object of `data` itself, "a", and 15 pairs of brackets.
    const text = `{"a":{"b":${deep(5000)}},"c":"after"}`;
    const shown = JSON.parse(answerOf(raw(text))).response.data;
    let inner = shown.a.b;
    for (let level = 0; level < 15; level++) inner = inner.k[0];

    expect(inner).toBe(hmacOf(JSON.stringify(JSON.parse(deep(4985)))));
    expect(shown.c).toBe(hmacOf('after'));
    expect(answerOf(JSON.parse(text))).toBe(answerOf(raw(text)));

    const many = {
      keys: Array.from({ length: 50_000 }, (_, i) => `name-${i} "\\ \u0001`),
      'é"': [1.5, -0, true, null],
    };
    expect(dataOf(many)).toEqual({ elided: hmacOf(JSON.stringify(many)) });
    expect(answerOf(raw(spelled(many)))).toBe(answerOf(many));
  });

  it('takes texts of a megabyte', () => {
    const text = 'secret "\\ \u2028\0 😀'.repeat(60_000);

    expect(dataOf({ text })).toEqual({ text: hmacOf(text) });
    expect(dataOf(raw(JSON.stringify({ text })))).toEqual({ text: hmacOf(text) });
  });

  it('refuses bytes that are not one JSON document, without repeating them', () => {
    const broken = [
      '', ' ', '{', '}', '[', ']', '{"a"}', '{"a":}', '{"a":1,}', '{a:1}', '[1,]', '[,1]', '[1 2]', '{"a":1 "b":2}', '{} {}',
      '"\\', '"\\x"', '"\\u12"', '"\\u12g4"', '"a\nb"', '"open', '01', '-', '+1', '1.', '.5', '1e', '--1', '1-1', 'nul', 'True',
      '[}', '{]', '{"a":1]', "{'a':1}", '{"\\x":1}', '\ufeff{}',
    ]; // biome-ignore format: a table
    for (const text of broken) {
      expect(() => answerOf(raw(text)), text.slice(0, 40)).toThrow(
        /^expected JSON to audit, got something else at byte \d+$/,
      );
    }
  });

  it('accepts exactly the bytes that JSON.parse accepts', () => {
    const alphabet = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '\\',
      '\\u',
      '0',
      '1',
      '-',
      '.',
      'e',
      'true',
      'null',
      'a',
      ' ',
    );
    const broken = object.chain((data) =>
      fc.tuple(fc.nat(), fc.nat(4), alphabet).map(([at, cut, put]) => {
        const text = JSON.stringify(data);
        const from = at % (text.length + 1);
        return text.slice(0, from) + put + text.slice(from + cut);
      }),
    );
    const accepts = (read: () => unknown): boolean => {
      try {
        read();
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(broken, (text) => {
        const wellFormed = text.toWellFormed();
        expect(accepts(() => answerOf(raw(wellFormed)))).toBe(accepts(() => JSON.parse(wellFormed)));
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses what is no JSON value, and cycles', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;

    for (const value of [() => 1, Symbol('s'), new Map(), new Date(0), cycle]) {
      expect(() => answerOf({ value })).toThrow('expected JSON data to audit');
    }
    expect(dataOf({ a: undefined, b: [undefined] })).toEqual({ b: [null] });
  });

  it('leaves nothing of a line that failed to the next one', () => {
    const entries = format();
    const good = { a: 'x', b: [1] };
    const first = answerOf(good, [], entries);
    const failing: ReadonlyArray<readonly [unknown, readonly string[]]> = [
      [{ open: { deep: [1, raw('{"k":"v",')] } }, []],
      [{ name: 'shown', other: [Symbol('s')] }, ['name', 'other']],
      [raw(`${'[{"k":'.repeat(100)}`), []],
    ];

    for (const [data, clear] of failing) {
      expect(() => answerOf(data, clear, entries)).toThrow();
      expect(answerOf(good, [], entries)).toBe(first);
    }
    expect(answerOf({ many: Array.from({ length: 5000 }, () => 'x') }, [], entries)).toContain(
      '"data_elided":true',
    );
    expect(answerOf(good, [], entries)).toBe(first);
  });
});
