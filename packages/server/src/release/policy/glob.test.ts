import { describe, expect, it } from 'vitest';
import { globMatches } from './glob.ts';

describe('globMatches', () => {
  it.each([
    ['refs/heads/main', 'refs/heads/main', true],
    ['refs/heads/main', 'refs/heads/*', true],
    ['refs/heads/a/b', 'refs/heads/*', false],
    ['refs/heads/a/b', 'refs/heads/**', true],
    ['refs/tags/v1.2', 'refs/tags/v*', true],
    ['refs/tags/x', 'refs/tags/v*', false],
    ['abc', '', false],
    ['', '', true],
    ['', '*', true],
    ['a.c', 'a.c', true],
    ['abc', 'a.c', false],
    ['xay', '*a*', true],
  ])('%s against %s is %s', (text, pattern, expected) => {
    expect(globMatches(text, pattern)).toBe(expected);
  });

  it('stays fast on a pattern that makes backtracking matchers explode', () => {
    const started = performance.now();

    expect(globMatches('a'.repeat(2000), `${'*a'.repeat(100)}b`)).toBe(false);

    expect(performance.now() - started).toBeLessThan(1000);
  });
});
