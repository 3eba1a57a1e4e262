import { describe, expect, it } from 'vitest';
import { momentOf } from './filter.ts';

const now = new Date('2026-11-20T10:00:00.000Z');

describe('a moment as people say it', () => {
  it.each([
    ['90s', '2026-11-20T09:58:30.000Z'],
    ['15m', '2026-11-20T09:45:00.000Z'],
    ['2h', '2026-11-20T08:00:00.000Z'],
    ['3d', '2026-11-17T10:00:00.000Z'],
    ['1w', '2026-11-13T10:00:00.000Z'],
    ['2026-11-01', '2026-11-01T00:00:00.000Z'],
    ['2026-11-20T10:00:00+02:00', '2026-11-20T08:00:00.000Z'],
  ])('is understood: %s', (text, moment) => {
    expect(momentOf('since', text, now)).toBe(moment);
  });

  it.each(['', '15', 'm', '1.5h', '-1h', 'yesterday', '2026-13-01', '2026', '2026-11-01T', '99999999d'])(
    'is refused: %j',
    (text) => {
      expect(() => momentOf('since', text, now)).toThrow(/expected --since as/);
    },
  );
});
