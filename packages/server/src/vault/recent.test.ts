import { describe, expect, it } from 'vitest';
import { createRecent } from './recent.ts';

describe('what was made lately', () => {
  it('is found again', () => {
    const recent = createRecent<string, number>(3);

    recent.keep('a', 1);
    recent.keep('a', 2);

    expect([recent.find('a'), recent.find('b')]).toEqual([2, undefined]);
  });

  it('stays as long as it is asked for, and goes when it is not', () => {
    const recent = createRecent<number, string>(10);
    recent.keep(-1, 'asked for');
    recent.keep(-2, 'forgotten');

    for (let key = 0; key < 1000; key += 1) {
      recent.keep(key, 'passing');
      expect(recent.find(-1)).toBe('asked for');
    }

    expect(recent.find(-2)).toBeUndefined();
    expect(
      Array.from({ length: 1000 }, (_, key) => recent.find(key)).filter(Boolean).length,
    ).toBeLessThanOrEqual(20);
  });
});
