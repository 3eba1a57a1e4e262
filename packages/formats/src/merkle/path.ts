import { Fault } from '../fault.ts';
import { nodeHash } from './hash.ts';

/** A node over a full subtree: the root over the leaves from `index * 2^level` to before `(index + 1) * 2^level`. */
export interface NodeCoordinate {
  readonly level: number;
  readonly index: number;
}

/**
 * One hash of a proof. Mostly one full node; at the right edge of the tree, where the node above is not full and so
 * is stored nowhere, the full subtrees it consists of, from the left (largest) to the right (smallest).
 */
export type ProofNode = readonly NodeCoordinate[];

/** Which nodes prove leaf `index` in a tree of `size` leaves, nearest first (RFC 9162 §2.1.3.1). */
export function inclusionPath(index: number, size: number): readonly ProofNode[] {
  if (!isSize(size) || !isSize(index) || index >= size)
    throw outOfRange(`leaf ${index} of a tree of ${size}`);
  const path: ProofNode[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      path.push(cover(middle, end));
      end = middle;
    } else {
      path.push(cover(start, middle));
      start = middle;
    }
  }
  return path.reverse();
}

/** Which nodes prove that the tree of `first` leaves is a prefix of that of `second` (RFC 9162 §2.1.4.1). */
export function consistencyPath(first: number, second: number): readonly ProofNode[] {
  if (!isSize(first) || !isSize(second) || first > second)
    throw outOfRange(`a tree of ${first} in one of ${second}`);
  if (first === 0 || first === second) return [];
  const path: ProofNode[] = [];
  let start = 0;
  let end = second;
  // Whether the subtree at hand is exactly the first tree, whose root the verifier has already.
  let whole = true;
  while (first !== end) {
    const middle = start + splitPoint(end - start);
    if (first <= middle) {
      path.push(cover(middle, end));
      end = middle;
    } else {
      path.push(cover(start, middle));
      start = middle;
      whole = false;
    }
  }
  if (!whole) path.push(cover(start, end));
  return path.reverse();
}

/** The full subtrees whose hashes make the root of a tree of `size` leaves; empty for the empty tree. */
export function rootPath(size: number): ProofNode {
  if (!isSize(size)) throw outOfRange(`a tree of ${size}`);
  return cover(0, size);
}

/** The hash of one proof node, from the stored hashes of full subtrees. */
export function hashOfProofNode(
  node: ProofNode,
  nodeAt: (level: number, index: number) => Uint8Array,
): Uint8Array {
  const hashes = node.map(({ level, index }) => nodeAt(level, index));
  const last = hashes.pop();
  if (last === undefined) throw outOfRange('a proof node without subtrees');
  return hashes.reduceRight((right, left) => nodeHash(left, right), last);
}

/** The hashes of a path, in its order. */
export function proofHashes(
  path: readonly ProofNode[],
  nodeAt: (level: number, index: number) => Uint8Array,
): Uint8Array[] {
  return path.map((node) => hashOfProofNode(node, nodeAt));
}

/** The full subtrees that cover the leaves from `start` to before `end`, largest first; `start` is aligned to them. */
function cover(start: number, end: number): ProofNode {
  const nodes: NodeCoordinate[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    let width = 1;
    while (width * 2 <= end - at) {
      width *= 2;
      level++;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/** The largest power of two below `size`. */
function splitPoint(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function outOfRange(got: string): Fault {
  return new Fault('invalid', 'formats.tree_range', `expected a position inside the tree, got ${got}`);
}
