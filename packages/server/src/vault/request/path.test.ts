import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePath } from './path.ts';

const refusal = (raw: string): string => {
  try {
    return `taken as ${parsePath(raw).path}`;
  } catch (error) {
    return isFault(error) ? error.code : String(error);
  }
};

describe('the path of a request', () => {
  it.each([
    ['secret/data/app', { path: 'secret/data/app', listing: false }],
    ['secret/data/app/', { path: 'secret/data/app', listing: true }],
    ['a', { path: 'a', listing: false }],
    ['secret/data/a%20b', { path: 'secret/data/a b', listing: false }],
    ['secret/data/gr%C3%BCn', { path: 'secret/data/grün', listing: false }],
    ['secret/data/a%3Fb%23c', { path: 'secret/data/a?b#c', listing: false }],
    ['secret/data/...', { path: 'secret/data/...', listing: false }],
    ['secret/data/.hidden/a..b', { path: 'secret/data/.hidden/a..b', listing: false }],
  ])('%s is what it says', (raw, expected) => {
    expect(parsePath(raw)).toEqual(expected);
  });

  it.each([
    ['nothing', ''],
    ['a slash alone', '/'],
    ['a parent', 'secret/data/../sys/mounts'],
    ['a parent at the end', 'secret/..'],
    ['a parent at the front', '../sys'],
    ['an encoded parent', 'secret/%2e%2E/sys'],
    ['a half encoded parent', 'secret/.%2e/sys'],
    ['the same place', 'secret/./data'],
    ['two slashes', 'secret//data'],
    ['two slashes at the end', 'secret/data//'],
    ['a slash at the front', '/secret/data'],
    ['an encoded slash', 'secret%2Fdata'],
    ['an encoded slash, small', 'secret/a%2fb'],
    ['a slash encoded overlong', 'secret/a%c0%afb'],
    ['a dot encoded overlong', 'secret/%c0%ae%c0%ae/sys'],
    ['half a code point', 'secret/%e2%82'],
    ['a surrogate in UTF-8', 'secret/%ed%a0%80'],
    ['a percent sign alone', 'secret/100%'],
    ['a percent sign with no number', 'secret/%zz'],
    ['NUL', 'secret/a%00b'],
    ['a line end', 'secret/a%0ab'],
    ['a backslash', 'secret/a%5Cb'],
    ['a backslash as it is', 'secret\\..\\sys'],
    ['DEL', 'secret/a%7f'],
    ['a space of no width', 'secret/ad%E2%80%8Bmin'],
    ['text turned around', 'secret/%E2%80%AEnimda'],
    ['a soft hyphen', 'secret/ad%C2%ADmin'],
    ['a line separator', 'secret/a%E2%80%A8b'],
    ['a code point that is none', 'secret/%EF%BF%BF'],
    ['one of private use', 'secret/%EE%80%80'],
    ['a letter with its accent apart', 'secret/e%CC%81'],
    ['an Angstrom that looks like a letter', 'secret/%E2%84%AB'],
    ['a long segment', `secret/${'a'.repeat(513)}`],
    ['a long segment, encoded', `secret/%41${'a'.repeat(512)}`],
    ['many segments', Array.from({ length: 65 }, () => 'a').join('/')],
    ['many segments, one encoded', ['%41', ...Array.from({ length: 64 }, () => 'a')].join('/')],
    ['a long path', Array.from({ length: 60 }, () => 'a'.repeat(40)).join('/')],
  ])('with %s is refused', (_what, raw) => {
    expect(refusal(raw)).toBe('vault.path');
  });

  it('is decoded once', () => {
    expect(parsePath('secret/%252e%252e/x').path).toBe('secret/%2e%2e/x');
  });

  it('never has a segment that a file system, a proxy or a reader of policies would take for another', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '.',
        '..',
        '/',
        '%2f',
        '%2e',
        '%00',
        '\\',
        '%',
        '?',
        '//',
        '%c0%af',
        'é',
        'e\u0301',
        'a',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.string({ unit: 'binary', maxLength: 2 }).map((text) => encode(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        let path: string;
        try {
          ({ path } = parsePath(pieces.join('')));
        } catch (error) {
          expect(isFault(error) && error.code).toBe('vault.path');
          return;
        }
        expect(path).toBe(path.normalize('NFC'));
        for (const segment of path.split('/')) {
          expect(['', '.', '..']).not.toContain(segment);
          // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what must not be there
          expect(segment).not.toMatch(/[\u0000-\u001f\u007f-\u009f\\\u200b-\u200f\u2028-\u202e]/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

function encode(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}
