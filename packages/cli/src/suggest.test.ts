import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearest } from './suggest.ts';

const known = ['status', 'secret', 'run', 'runs', 'repo', 'rollback'];

describe('a guess', () => {
  it.each([
    ['stauts', 'status'],
    ['statu', 'status'],
    ['rns', 'runs'],
    ['roll', 'rollback'],
    ['secrets', 'secret'],
  ])('for %s is %s', (typed, expected) => {
    expect(nearest(typed, known)).toBe(expected);
  });

  it.each(['', 'x', 'kubernetes', '-'])('is not made for %j', (typed) => {
    expect(nearest(typed, known)).toBeUndefined();
  });

  it('is a known word or none, whatever is typed', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), (typed) => {
        expect([undefined, ...known]).toContain(nearest(typed, known));
      }),
    );
  });

  it('forgives one swapped pair anywhere', () => {
    fc.assert(
      fc.property(fc.constantFrom('status', 'secret', 'rollback'), fc.nat(4), (word, at) => {
        const swapped = word.slice(0, at) + (word[at + 1] ?? '') + (word[at] ?? '') + word.slice(at + 2);
        expect(nearest(swapped, ['status', 'secret', 'rollback'])).toBe(word);
      }),
    );
  });
});
