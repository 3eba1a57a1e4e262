import { utf8 } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLineCutter } from './lines.ts';

function cut(chunks: ReadonlyArray<readonly [string, Uint8Array]>): string[] {
  const given: string[] = [];
  const cutter = createLineCutter<string>((source, text) => given.push(`${source}: ${text}`));
  for (const [source, bytes] of chunks) cutter.add(source, bytes);
  cutter.end();
  return given;
}

describe('lines', () => {
  it('are the same however the bytes arrive', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(20)), (text, cuts) => {
        const bytes = utf8(text);
        const ends = [...new Set([...cuts.filter((at) => at < bytes.length), bytes.length])].sort(
          (a, b) => a - b,
        );
        const chunks = ends.map((end, index) => ['a', bytes.subarray(ends[index - 1] ?? 0, end)] as const);

        expect(cut(chunks)).toEqual(cut([['a', bytes]]));
      }),
    );
  });

  it('of one source end where another begins', () => {
    expect(
      cut([
        ['a', utf8('one\ntw')],
        ['b', utf8('three\n')],
      ]),
    ).toEqual(['a: one', 'a: tw', 'b: three']);
  });

  it('without end come in pieces', () => {
    const given = cut([['a', utf8('x'.repeat(200_000))]]);

    expect(given.length).toBeGreaterThan(2);
    expect(given.map((line) => line.slice(3)).join('')).toBe('x'.repeat(200_000));
  });
});
