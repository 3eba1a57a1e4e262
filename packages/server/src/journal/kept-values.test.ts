import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKeptValues } from './kept-values.ts';

describe('kept values', () => {
  it('give the value that was set last or nothing, and always one that was used just now', () => {
    const step = fc.record({
      kind: fc.constantFrom('set', 'get', 'delete'),
      number: fc.integer({ min: 0, max: 9 }),
      sizeBytes: fc.integer({ min: 1, max: 40 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const values = createKeptValues(100);
        const model = new Map<number, number>();
        for (const [value, { kind, number, sizeBytes }] of steps.entries()) {
          if (kind === 'set') {
            values.set(number, value, sizeBytes);
            model.set(number, value);
            expect(values.get(number)).toBe(value);
          } else if (kind === 'delete') {
            values.delete(number);
            model.delete(number);
            expect(values.get(number)).toBeUndefined();
          } else {
            const found = values.get(number);
            if (found !== undefined) expect(found).toBe(model.get(number));
            expect(values.get(number)).toBe(found);
          }
        }
      }),
    );
  });

  it('keep what is used, and let go what is not', () => {
    const values = createKeptValues(100);
    values.set(0, 'used', 10);
    for (let number = 1; number < 100; number += 1) {
      values.set(number, 'once', 10);
      expect(values.get(0)).toBe('used');
    }

    const left = Array.from({ length: 100 }, (_, number) => values.get(number)).filter(Boolean);
    expect(left.length).toBeLessThanOrEqual(10);
  });

  it('keep a value that is larger than all of them may be', () => {
    const values = createKeptValues(100);
    values.set(0, 'large', 1000);

    expect(values.get(0)).toBe('large');
  });
});
