import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration } from './duration.ts';

describe('a duration', () => {
  it.each([
    [0, 0],
    [3600, 3600],
    ['', 0],
    ['0', 0],
    ['3600', 3600],
    ['30s', 30],
    ['5m', 300],
    ['768h', 2_764_800],
    ['1h30m', 5400],
    ['1h0m0s', 3600],
    ['1.5h', 5400],
    ['0.1h', 360],
    ['1000ms', 1],
    ['1s500ms500ms', 2],
    ['2d', 172_800],
    ['1d12h', 129_600],
    ['9223372036s', 9_223_372_036],
  ])('%j is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each([
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e300,
    '-1h',
    '+1h',
    ' 1h',
    '1h ',
    '1 h',
    '1H',
    '1w',
    'h',
    '1.h',
    '.5h',
    '1e3',
    '0x10',
    '٣s',
    '500ms',
    '1us',
    '10000000000',
    '9223372037s',
    `${'1s'.repeat(40)}`,
    null,
    undefined,
    true,
    ['1h'],
    { seconds: 1 },
  ])('%j is refused', (value) => {
    expect(() => parseDuration(value, 'token_ttl')).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'vault.duration' }),
    );
  });

  it('is read back from the form in which Go writes it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_223_372_036 }), (seconds) => {
        const go = `${Math.floor(seconds / 3600)}h${Math.floor(seconds / 60) % 60}m${seconds % 60}s`;

        expect(parseDuration(go)).toBe(seconds);
        expect(parseDuration(seconds)).toBe(seconds);
      }),
    );
  });

  it('answers with whole seconds or a fault for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0123456789.hmsd- e') }), (text) => {
        let seconds: number;
        try {
          seconds = parseDuration(text);
        } catch (error) {
          expect(isFault(error)).toBe(true);
          return;
        }
        expect(Number.isSafeInteger(seconds) && seconds >= 0).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
