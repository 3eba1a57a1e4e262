import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePattern } from './pattern.ts';

describe('a pattern', () => {
  it.each([
    ['abc', ['abc'], ['ab', 'abcd', 'xabc', '']],
    ['^a.c$', ['abc', 'a.c'], ['ac', 'a\nc', 'abcd']],
    ['a\\.c\\$', ['a.c$'], ['abc$', 'a.c']],
    ['a|bc|', ['a', 'bc', ''], ['ab', 'c']],
    ['(ab|c)+d?', ['ab', 'abcab', 'cd'], ['d', 'abd d', 'ad']],
    ['[a-c_]{2,3}', ['ab', 'c_a'], ['a', 'abca', 'ad']],
    ['[^/]+/\\d{2}', ['x/12'], ['/12', 'x/1', 'x/y/12', 'x/123']],
    ['a{0,2}b{2}c{1,}', ['bbc', 'aabbcc'], ['aaabbc', 'bc', 'bb']],
    ['(?:\\w|\\s)*', ['a_1 \t', ''], ['a-b']],
    ['[.\\]-]+', ['.]-'], ['a']],
    ['é+😀', ['éé😀'], ['e😀']],
  ])('%s matches the whole of a text or nothing', (source, yes, no) => {
    const pattern = parsePattern(source);
    for (const text of yes) expect([text, pattern.matches(text)]).toEqual([text, true]);
    for (const text of no) expect([text, pattern.matches(text)]).toEqual([text, false]);
  });

  it.each([
    '(',
    ')',
    'a)',
    '[',
    '[]',
    '[a',
    'a**',
    'a+?',
    '*a',
    '+',
    'a{',
    'a{2',
    'a{101}',
    'a{3,2}',
    '\\',
    '\\b',
    '\\1',
    'a\\',
    '(?=a)',
    '(?<n>a)',
    'a^b',
    'a$b',
    '[z-a]',
    '[a-\\d]',
    '('.repeat(30),
    'a'.repeat(501),
    '((a{100}){100}){100}',
    '{2}',
  ])('%s is refused', (source) => {
    expect(() => parsePattern(source)).toThrow(expect.objectContaining({ code: 'formats.pattern' }));
  });

  it('takes time by the length of the text, where an engine that backtracks never ends', () => {
    for (const source of ['(a+)+', '(a|a)*', '(a*)*b', '((a?){30}){10}a{30}', '(.*)*x']) {
      const pattern = parsePattern(source);
      const start = performance.now();
      expect(pattern.matches(`${'a'.repeat(2000)}!`)).toBe(false);
      expect(performance.now() - start).toBeLessThan(1500);
    }
  });

  it('agrees with the engine of JavaScript where that one ends', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '(a|b)', '(?:ab)');
    const part = fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '{2}', '{1,2}')).map(([a, b]) => a + b);
    const source = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        source,
        source,
        fc.string({ unit: fc.constantFrom('a', 'b', '1'), maxLength: 8 }),
        (one, two, text) => {
          const both = `${one}|${two}`;
          expect([both, text, parsePattern(both).matches(text)]).toEqual([
            both,
            text,
            new RegExp(`^(?:${both})$`, 'u').test(text),
          ]);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
