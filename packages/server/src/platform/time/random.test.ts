import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createRandom } from './random.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

it('gives bytes of the size that was asked for, and none twice, across the ends of its pool', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 16, max: 700 }), { minLength: 1, maxLength: 60 }), (sizes) => {
      const random = createRandom();
      const seen = new Set<string>();
      for (const size of sizes) {
        const text = hex(random.bytes(size));
        expect(text.length).toBe(2 * size);
        for (let at = 0; at + 32 <= text.length; at += 32) seen.add(text.slice(at, at + 32));
      }
      expect(seen.size).toBe(sizes.reduce((sum, size) => sum + Math.floor(size / 16), 0));
      expect(seen.has('00'.repeat(16))).toBe(false);
    }),
  );
});

it('gives bytes that belong to the caller: what is done to them shows nowhere else', () => {
  const random = createRandom();
  const first = random.bytes(32);
  first.fill(0);
  const second = random.bytes(32);
  const was = hex(second);
  random.bytes(32).fill(1);

  expect(hex(second)).toBe(was);
  expect(second.buffer).not.toBe(first.buffer);
  expect(second.buffer.byteLength).toBe(32);
});

it('gives nothing for nothing', () => {
  expect(createRandom().bytes(0)).toEqual(new Uint8Array(0));
});
