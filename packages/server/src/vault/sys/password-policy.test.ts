import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '#platform';
import { generatePassword, parsePasswordPolicy } from './password-policy.ts';

const charset = fc
  .array(fc.constantFrom(...'abcdefghijklmnopqrstuvwxyzABCDEF0123456789-_!ü€😀'), {
    minLength: 1,
    maxLength: 40,
  })
  .map((characters) => [...new Set(characters)].join(''));
const rule = fc.record({ charset, min: fc.integer({ min: 0, max: 8 }) });

const hcl = (length: number, rules: ReadonlyArray<{ charset: string; min: number }>): string =>
  [
    `length = ${length}`,
    ...rules.map(
      (each) => `rule "charset" {\n  charset = ${JSON.stringify(each.charset)}\n  min-chars = ${each.min}\n}`,
    ),
  ].join('\n');

describe('a password policy', () => {
  it('gives passwords of its length that meet each of its rules and use no other character', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 40, max: 100 }),
        (rules, length) => {
          const policy = parsePasswordPolicy(hcl(length, rules));

          const password = [...generatePassword(policy, systemRandom)];

          expect(password).toHaveLength(length);
          const all = new Set(rules.flatMap((each) => [...each.charset]));
          expect(password.filter((character) => !all.has(character))).toEqual([]);
          for (const each of rules) {
            const own = new Set(each.charset);
            expect(password.filter((character) => own.has(character)).length).toBeGreaterThanOrEqual(
              each.min,
            );
          }
        },
      ),
    );
  });

  it('puts demanded characters anywhere, and every character with about the same frequency', () => {
    const policy = parsePasswordPolicy(
      hcl(20, [
        { charset: 'abcdefghij', min: 0 },
        { charset: '#', min: 1 },
      ]),
    );
    const places = new Map<number, number>();
    const counts = new Map<string, number>();

    for (let round = 0; round < 4000; round += 1) {
      const password = generatePassword(policy, systemRandom);
      places.set(password.indexOf('#'), (places.get(password.indexOf('#')) ?? 0) + 1);
      for (const character of password) counts.set(character, (counts.get(character) ?? 0) + 1);
    }

    expect(places.size).toBeGreaterThanOrEqual(18);
    // 4000 passwords have 19 characters of 11 each besides the demanded one: some 6900 of each letter.
    for (const letter of 'abcdefghij') expect(counts.get(letter)).toBeGreaterThan(6300);
    for (const letter of 'abcdefghij') expect(counts.get(letter)).toBeLessThan(7500);
  });

  it('may be written in JSON', () => {
    const text = '{"length": 12, "rule": [{"charset": [{"charset": "abc", "min-chars": 2}]}]}';

    expect(parsePasswordPolicy(text)).toEqual({
      length: 12,
      rules: [{ charset: ['a', 'b', 'c'], minChars: 2 }],
    });
  });

  it.each([
    ['no length', 'rule "charset" { charset = "abc" }'],
    ['a short length', 'length = 3\nrule "charset" { charset = "abc" }'],
    ['a long length', 'length = 101\nrule "charset" { charset = "abc" }'],
    ['a length with a fraction', 'length = 10.5\nrule "charset" { charset = "abc" }'],
    ['no rule', 'length = 10'],
    ['an empty charset', 'length = 10\nrule "charset" { charset = "" }'],
    ['a rule of another kind', 'length = 10\nrule "regex" { charset = "abc" }'],
    [
      'more demanded characters than the length',
      'length = 10\nrule "charset" { charset = "a" min-chars = 11 }',
    ],
    ['a negative demand', 'length = 10\nrule "charset" { charset = "a" min-chars = -1 }'],
    ['an invisible character', 'length = 10\nrule "charset" { charset = "a\\u200b" }'],
    ['a field nobody knows', 'length = 10\nretries = 3\nrule "charset" { charset = "abc" }'],
  ])('is refused with %s', (_name, text) => {
    expect(() => parsePasswordPolicy(text)).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });

  it('is read from any text without another error than a refusal', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string().map((text) => `length = 8\nrule "charset" { ${text}`),
        ),
        (text) => {
          try {
            parsePasswordPolicy(text);
          } catch (error) {
            expect(isFault(error) && error.kind === 'invalid').toBe(true);
          }
        },
      ),
    );
  });
});
