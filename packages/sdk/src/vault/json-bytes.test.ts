import { fromUtf8, SecretBytes, utf8 } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAnswer } from './answer.ts';
import { placesOf, unescaped } from './json-bytes.ts';
import { jsonOf } from './json-write.ts';

const answerOf = (body: string) => readAnswer({ status: 200, headers: {}, body: Buffer.from(body) });

describe('places of JSON', () => {
  it('give every text as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.boolean(), (text, escaped) => {
        const plain = JSON.stringify(text);
        const json = escaped
          ? `"${[...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`
          : plain;
        const bytes = Buffer.from(json);

        expect(fromUtf8(unescaped(bytes, placesOf(bytes)))).toBe(text);
      }),
    );
  });

  it('find what JSON.parse finds, in any document', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), (inner) => {
        const answer = answerOf(` {"data":\n${inner} ,"n":-1.5e2,"t":true,"nothing":null}`);
        const parsed: unknown = JSON.parse(inner);

        expect(answer.plain('data')).toEqual(parsed === null ? undefined : parsed);
        expect(answer.number('n')).toBe(-150);
        expect(answer.flag('t')).toBe(true);
        expect(answer.find('nothing')).toBeUndefined();
      }),
    );
  });

  it('are refused, or are JSON', () => {
    const seeds = ['{"a":[1,{"b":"c\\u0041"}],"d":null}', '["\\ud83d\\ude00",-0.5e+7,false]'];
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.nat(40),
        fc.string({ unit: 'binary', maxLength: 2 }),
        (seed, at, noise) => {
          const text = seed.slice(0, at) + noise + seed.slice(at + 1);
          const strict = (): unknown => placesOf(Buffer.from(text));
          let valid = true;
          try {
            JSON.parse(text);
          } catch {
            valid = false;
          }
          if (!valid) expect(strict).toThrowError(expect.objectContaining({ code: 'vault.json' }));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['a name twice', '{"a":1,"a":2}'],
    ['a name twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['something behind the end', '{} {}'],
    ['half a surrogate pair', '{"a":"\\ud800"}'],
    ['the wrong half first', '{"a":"\\udc00\\ud800"}'],
    ['a control character', '{"a":"\n"}'],
    ['an unknown escape', '{"a":"\\x41"}'],
    ['a cut escape', '{"a":"\\u00"}'],
    ['a number with a leading zero', '{"a":01}'],
    ['nothing', ''],
    ['an open text', '{"a":"b'],
    ['a backslash at the end', '{"a":"b\\'],
    ['65 levels', '['.repeat(65) + ']'.repeat(65)],
    ['a hundred thousand levels', '['.repeat(100_000)],
  ])('refuse %s', (_what, text) => {
    expect(() => placesOf(Buffer.from(text))).toThrowError(expect.objectContaining({ code: 'vault.json' }));
  });

  it('refuse bytes that are no UTF-8', () => {
    expect(() => placesOf(Buffer.from('{"a":"\xff"}', 'latin1'))).toThrow();
  });

  it('take prototype names as names', () => {
    const answer = answerOf('{"data":{"__proto__":"a","constructor":"b"}}');

    expect([...(answer.find('data')?.members.keys() ?? [])]).toEqual(['__proto__', 'constructor']);
    expect(answer.find('toString')).toBeUndefined();
  });
});

describe('an answer', () => {
  it('gives secrets as bytes of their own, and is wiped', () => {
    const body = Buffer.from('{"data":{"a":"caf\\u00e9\\n","b":{"c":[1]}}}');
    const answer = readAnswer({ status: 200, headers: {}, body });
    const [a, b] = ['a', 'b'].map((name) => answer.find('data', name));
    if (a === undefined || b === undefined) throw new Error('expected both');

    const text = answer.secret(a);
    const other = answer.secret(b);
    answer.wipe();

    expect(text.exposeUtf8()).toBe('café\n');
    expect(other.exposeUtf8()).toBe('{"c":[1]}');
    expect(body.every((byte) => byte === 0)).toBe(true);
  });
});

describe('JSON written from bytes', () => {
  it('says what JSON.stringify says', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' })), (texts) => {
        const parts = Object.fromEntries(
          Object.entries(texts).map(([name, text]) => [name, { text: SecretBytes.fromUtf8(text) }]),
        );

        expect(JSON.parse(fromUtf8(jsonOf({ data: { parts }, more: { json: utf8('[1]') } })))).toEqual({
          data: Object.fromEntries(Object.entries(texts)),
          more: [1],
        });
      }),
    );
  });

  it('refuses bytes that are no text, by name', () => {
    const text = SecretBytes.from(Uint8Array.of(0xc0, 0x80));

    expect(() => jsonOf({ key: { text } })).toThrowError(/expected the value of key to be UTF-8/);
  });
});
