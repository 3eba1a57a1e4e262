import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEntropy } from './entropy.ts';

const sizeBytes = 12;
const remembered = 4096;

/** Draws whose bytes are these numbers, big endian, at the end. */
function entropyOf(numbers: readonly number[]) {
  const draws = numbers.values();
  return createEntropy({
    bytes() {
      const bytes = Buffer.alloc(sizeBytes);
      bytes.writeUInt32BE(draws.next().value ?? 0, sizeBytes - 4);
      return bytes;
    },
  });
}

const failed = expect.objectContaining({ code: 'keyring.random_failed' });
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1);

describe('an output that comes again', () => {
  it('is noticed as long as it is one of the last, also among outputs with the same beginning', () => {
    const entropy = entropyOf([...upTo(remembered), remembered, 1]);
    for (let drawn = 0; drawn < remembered; drawn += 1) entropy.bytes(sizeBytes);

    expect(() => entropy.bytes(sizeBytes)).toThrow(failed);
    expect(() => entropy.bytes(sizeBytes)).toThrow(failed);
  });

  it('is not when it is longer ago', () => {
    const entropy = entropyOf([...upTo(remembered + 1), 1]);
    for (let drawn = 0; drawn < remembered + 1; drawn += 1) entropy.bytes(sizeBytes);

    expect(entropy.bytes(sizeBytes)).toHaveLength(sizeBytes);
  });

  it('is found wherever it stands among the last', () => {
    fc.assert(
      fc.property(fc.nat(2 * remembered), fc.nat(remembered - 1), (before, ago) => {
        const numbers = upTo(before + 1);
        const again = numbers.at(-1 - Math.min(ago, before)) ?? 1;
        const draws = [...numbers, again].map((number) => {
          const bytes = Buffer.alloc(sizeBytes, 7);
          bytes.writeUInt32BE(number);
          return bytes;
        });
        let at = -1;
        const entropy = createEntropy({
          bytes() {
            at += 1;
            return draws[at] as Buffer;
          },
        });
        for (const _ of numbers) entropy.bytes(sizeBytes);
        expect(() => entropy.bytes(sizeBytes)).toThrow(failed);
      }),
      { numRuns: 40 },
    );
  });
});
