import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pack, unpack } from './packed.ts';

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((each) => Buffer.from(each));
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const changes = fc.array(
  fc.record({
    scope: fc.constantFrom('system', 'env:shop/prod', 'env:ä/ö'),
    path: text,
    sealed: fc.option(fc.oneof(bytes(300), bytes(9000)), { nil: undefined }),
  }),
  { maxLength: 60 },
);

describe('packed changes', () => {
  it('are read back as they were, all at once or part by part', () => {
    fc.assert(
      fc.property(changes, (some) => {
        const { bytes: packed, ends } = pack(some);
        const parts = ends.map((end, index) => packed.subarray(ends[index - 1] ?? 0, end));

        expect(unpack(packed)).toEqual({ changes: some, isWhole: true });
        expect(parts.flatMap((part) => unpack(part).changes)).toEqual(some);
        for (const part of parts) expect(part.length <= 7900 || unpack(part).changes.length === 1).toBe(true);
      }),
    );
  });

  it('are known not to be whole when they end too soon, at any byte, or name a size that is none', () => {
    const whole = pack([
      { scope: 's', path: 'a', sealed: Buffer.from('x') },
      { scope: 's', path: 'b', sealed: undefined },
    ]).bytes;
    const first = 4 + 1 + 4 + 1 + 4 + 1;
    for (let end = 1; end < whole.length; end += 1) {
      const { changes, isWhole } = unpack(whole.subarray(0, end));
      expect([changes.length, isWhole]).toEqual([end < first ? 0 : 1, end === first]);
    }
    for (const at of [0, 5, 10]) {
      for (const size of [-2, -(2 ** 31), 1000, 2 ** 31 - 1]) {
        const wrong = Buffer.from(whole);
        wrong.writeInt32BE(size, at);
        expect(unpack(wrong)).toEqual({ changes: [], isWhole: false });
      }
    }
  });

  it('never read beyond their bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (some) => {
        const { changes } = unpack(Buffer.from(some));
        const sizes = changes.map(
          ({ path, sealed }) => 12 + Buffer.byteLength(path, 'latin1') + (sealed?.length ?? 0),
        );
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(200);
      }),
    );
  });
});
