import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printLength } from '../environments/fingerprints.ts';
import type { VersionMetadata } from './metadata.ts';
import { heldIn, printsGone, split } from './prints.ts';

/** Few letters, so that prints are found across the border of two others as well. */
const print = fc
  .string({ unit: fc.constantFrom('a', 'b'), minLength: 2, maxLength: 2 })
  .map((two) => two.repeat(printLength / 2));
const version = fc.option(fc.array(print, { maxLength: 5 }), { nil: undefined }).map(
  (prints): VersionMetadata => ({
    createdAt: 1,
    deletedAt: 0,
    destroyed: false,
    ...(prints === undefined ? {} : { prints: prints.join('') }),
  }),
);
const versions = fc.dictionary(fc.integer({ min: 1, max: 12 }).map(String), version, { maxKeys: 12 });

const all = (some: Readonly<Record<string, VersionMetadata>>): Set<string> =>
  new Set(Object.values(some).flatMap(({ prints }) => split(prints)));

describe('fingerprints of versions', () => {
  it('are held when a version has them as a whole, however many are asked for', () => {
    fc.assert(
      fc.property(versions, fc.array(print, { maxLength: 20 }), (some, among) => {
        expect(heldIn(some, among)).toEqual(new Set(among.filter((each) => all(some).has(each))));
      }),
    );
  });

  it('are gone when no version has them any more', () => {
    fc.assert(
      fc.property(versions, versions, fc.boolean(), (before, other, share) => {
        const after = share ? { ...before, ...other } : other;
        const expected = [...all(before)].filter((each) => !all(after).has(each));
        expect(new Set(printsGone(before, after))).toEqual(new Set(expected));
      }),
    );
  });
});
