import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSlabs, slabBytes } from './slabs.ts';

const bytesOf = (size: number, seed: number): Buffer => Buffer.alloc(size, `${seed}/`);

describe('slabs', () => {
  const size = fc.oneof(
    { weight: 10, arbitrary: fc.integer({ min: 0, max: 2000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 10_000, max: 20_000 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(slabBytes / 16 - 8, slabBytes / 16 - 7, slabBytes, slabBytes * 3),
    },
  );
  const step = fc.record({
    kind: fc.constantFrom('add', 'add', 'replace', 'replace', 'remove'),
    which: fc.nat(),
    size,
  });

  it('give what a plain map gives after any sequence of changes, in little more memory', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 100, maxLength: 1500 }), (steps) => {
        const slabs = createSlabs();
        const model = new Map<number, Buffer>();
        for (const [seed, { kind, which, size }] of steps.entries()) {
          const number = [...model.keys()][which % Math.max(1, model.size)];
          const bytes = bytesOf(size, seed);
          if (kind === 'add' || number === undefined) {
            const fresh = slabs.add(bytes);
            expect(model.has(fresh)).toBe(false);
            model.set(fresh, bytes);
          } else if (kind === 'replace') {
            slabs.replace(number, bytes);
            model.set(number, bytes);
          } else {
            slabs.remove(number);
            model.delete(number);
          }
        }
        let held = 0;
        for (const [number, bytes] of model) {
          held += bytes.length + 12;
          expect(slabs.get(number).equals(bytes)).toBe(true);
        }
        expect(slabs.sizeBytes).toBeLessThan(held * 1.125 + 3 * slabBytes);
      }),
      { numRuns: 50 },
    );
  });

  it('stay small under writes that never end, of sizes that fill a slab badly as well', () => {
    for (const size of [300, slabBytes / 16 - 8]) {
      const slabs = createSlabs();
      const numbers = Array.from({ length: 400 }, (_, seed) => slabs.add(bytesOf(size, seed)));
      for (let round = 0; round < 5000; round += 1) {
        const number = numbers[(round * 7919) % numbers.length] ?? 0;
        slabs.replace(number, bytesOf(size, number));
      }
      expect(slabs.sizeBytes).toBeLessThan(400 * (size + 12) * 1.125 + 3 * slabBytes);
      for (const number of numbers) expect(slabs.get(number)).toEqual(bytesOf(size, number));
    }
  });

  it('give views that nothing changes any more', () => {
    const slabs = createSlabs();
    const number = slabs.add(Buffer.from('as it was'));
    const other = slabs.add(Buffer.from('x'));
    const view = slabs.get(number);

    slabs.replace(number, Buffer.from('another'));
    slabs.remove(number);
    for (let round = 0; round < 5000; round += 1) slabs.replace(other, bytesOf(1000, round));

    expect(view.toString()).toBe('as it was');
  });

  it('take nothing for what is gone', () => {
    const slabs = createSlabs();
    const numbers = Array.from({ length: 5000 }, (_, seed) => slabs.add(bytesOf(seed % 40_000, seed)));

    for (const number of numbers) slabs.remove(number);

    expect(slabs.sizeBytes).toBeLessThanOrEqual(3 * slabBytes);
    expect(() => slabs.get(numbers[0] ?? 0)).toThrow('expected a number that has bytes');
    expect(() => slabs.remove(numbers[0] ?? 0)).toThrow('expected a number that has bytes');
  });
});
