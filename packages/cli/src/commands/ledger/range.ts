import { emptyRootHash, nodeHash } from '@sallyport/formats';

/**
 * A tree as its full subtrees, left to right: all that is needed to go on from it. Whoever keeps it and is given the
 * next leaves can compute every later root, so that a log which changed what was before cannot match it.
 */
export interface Range {
  readonly size: number;
  readonly peaks: readonly Uint8Array[];
}

export const emptyRange: Range = { size: 0, peaks: [] };

/** The tree with one more leaf (RFC 9162 section 2.1.2). */
export function appended({ size, peaks }: Range, leaf: Uint8Array): Range {
  const grown = [...peaks];
  let last = leaf;
  for (let count = size; count % 2 === 1; count = (count - 1) / 2) {
    const left = grown.pop();
    if (left !== undefined) last = nodeHash(left, last);
  }
  return { size: size + 1, peaks: [...grown, last] };
}

export function rootOf({ peaks }: Range): Uint8Array {
  const last = peaks.at(-1);
  if (last === undefined) return emptyRootHash();
  return peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
}

/** How many full subtrees a tree of `size` leaves has. */
export function countPeaks(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}
