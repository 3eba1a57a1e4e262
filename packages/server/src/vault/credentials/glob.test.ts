import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesGlob } from './glob.ts';

describe('a pattern with stars', () => {
  it.each([
    ['', ''],
    ['*', ''],
    ['*', 'any\nthing'],
    ['a', 'a'],
    ['a*', 'a'],
    ['*a', 'ba'],
    ['a*b*c', 'a-b-b-c'],
    ['a**c', 'ac'],
    ['refs/*/main', 'refs/heads/x/main'],
    ['a.c', 'a.c'],
    ['[a]?', '[a]?'],
  ])('%j matches %j', (pattern, text) => {
    expect(matchesGlob(pattern, text)).toBe(true);
  });

  it.each([
    ['', 'a'],
    ['a', ''],
    ['a', 'A'],
    ['a*', 'ba'],
    ['ab*ba', 'aba'],
    ['a*b*c', 'a-c-b'],
    ['*ab*ab*', 'ab'],
    ['a.c', 'abc'],
    ['a?', 'ab'],
  ])('%j does not match %j', (pattern, text) => {
    expect(matchesGlob(pattern, text)).toBe(false);
  });

  it('matches what the regular expression of the same meaning matches', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 10 });
    fc.assert(
      fc.property(letters, text, (pattern, value) => {
        const expression = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 's');

        expect(matchesGlob(pattern, value)).toBe(expression.test(value));
      }),
      { numRuns: 5000 },
    );
  });

  it('costs little, however it is written', () => {
    const started = performance.now();

    expect(matchesGlob('*a'.repeat(2000), `${'a'.repeat(16_000)}b`)).toBe(false);
    expect(performance.now() - started).toBeLessThan(200);
  });
});
