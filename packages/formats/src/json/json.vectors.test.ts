import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../bytes/encodings.ts';
import { canonicalJson } from './canonical.ts';
import { closed, list, text } from './shape.ts';
import { parseStrictJson } from './strict.ts';

interface Vectors {
  readonly documents: readonly {
    readonly name: string;
    readonly input: string;
    readonly canonical: string;
  }[];
  readonly numbers: readonly { readonly ieee: string; readonly text?: string }[];
}

const file = readFileSync(new URL('../../vectors/jcs.json', import.meta.url), 'utf8');
const vectors = closed<Vectors>(
  {
    documents: list(
      closed<Vectors['documents'][number]>({ name: text(100), input: text(2000), canonical: text(2000) }, {}),
      10,
      2,
    ),
    numbers: list(closed<Vectors['numbers'][number]>({ ieee: text(16) }, { text: text(40) }), 100, 26),
  },
  {},
)(parseStrictJson(file), 'jcs.json');

describe('canonicalJson', () => {
  it.each(vectors.documents)('writes the document of $name', ({ input, canonical }) => {
    expect(canonicalJson(parseStrictJson(input))).toBe(canonical);
    expect(canonicalJson(parseStrictJson(canonical))).toBe(canonical);
  });

  it.each(vectors.numbers)('writes the double $ieee as $text', ({ ieee, text: expected }) => {
    const value = new DataView(fromHex(ieee).buffer).getFloat64(0);

    if (expected === undefined) expect(() => canonicalJson(value)).toThrow(/expected plain JSON data/);
    else expect(canonicalJson(value)).toBe(expected);
  });
});
