import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createGathering } from './gathering.ts';

it('gives each answer whole and nothing of another, whatever their parts were', () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.nat(255).map((byte) => new Uint8Array(70_000).fill(byte)),
    fc.nat(255).map((byte) => new Uint8Array(900_000).fill(byte)),
  );
  fc.assert(
    fc.property(fc.array(fc.array(part, { maxLength: 5 }), { maxLength: 8 }), (answers) => {
      const gathering = createGathering();
      const taken = answers.map((parts) => {
        for (const each of parts) {
          const view = each.slice();
          gathering.add(view);
          view.fill(0);
        }
        return gathering.take();
      });
      for (const [index, parts] of answers.entries()) {
        expect(Buffer.compare(taken[index] ?? Buffer.alloc(0), Buffer.concat(parts))).toBe(0);
        expect(taken[index]?.buffer.byteLength).toBe(taken[index]?.length);
      }
    }),
    { numRuns: 50 },
  );
});
