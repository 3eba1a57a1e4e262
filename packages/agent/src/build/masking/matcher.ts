import { Fault } from '@sallyport/formats';

/**
 * Many byte patterns found in one pass (Aho and Corasick 1975). Sparse on purpose: a dense table of a private key in
 * all its encodings would take hundreds of megabytes.
 */
export interface Matcher {
  readonly patterns: number;
  readonly longest: number;
  /** The state after `byte` in `state`; 0 is the start. */
  next(state: number, byte: number): number;
  /** Length of the longest pattern prefix that ends here: that many bytes may still become a match. */
  depth(state: number): number;
  /** Length of the longest pattern that ends here, 0 for none. */
  matchLength(state: number): number;
}

/** Four bytes each in a handful of arrays, so about 200 MB at the very most; a grant beyond it is refused, not half masked. */
const maxNodes = 8_000_000;

export function createMatcher(patterns: readonly Uint8Array[]): Matcher {
  const total = patterns.reduce((sum, pattern) => sum + pattern.length, 1);
  if (total > maxNodes) {
    throw new Fault(
      'exhausted',
      'build.secrets_too_large',
      `expected secrets whose encodings take at most ${maxNodes} bytes, got ${total}`,
      { hint: 'grant this step fewer or smaller secrets' },
    );
  }
  const edges = createEdges(total);
  const depths = new Int32Array(total);
  const parents = new Int32Array(total);
  const bytes = new Uint8Array(total);
  const matches = new Int32Array(total);
  const fails = new Int32Array(total);
  let nodes = 1;
  let longest = 0;

  for (const pattern of patterns) {
    let state = 0;
    for (const byte of pattern) {
      let child = edges.get(state, byte);
      if (child === 0) {
        child = nodes++;
        edges.set(state, byte, child);
        depths[child] = at(depths, state) + 1;
        parents[child] = state;
        bytes[child] = byte;
      }
      state = child;
    }
    if (state !== 0) matches[state] = pattern.length;
    longest = Math.max(longest, pattern.length);
  }

  const next = (state: number, byte: number): number => {
    for (let from = state; ; from = at(fails, from)) {
      const to = edges.get(from, byte);
      if (to !== 0 || from === 0) return to;
    }
  };
  for (const node of byDepth(depths, nodes, longest)) {
    const parent = at(parents, node);
    if (parent !== 0) fails[node] = next(at(fails, parent), at(bytes, node));
    if (at(matches, node) === 0) matches[node] = at(matches, at(fails, node));
  }

  return {
    patterns: patterns.length,
    longest,
    next,
    depth: (state) => at(depths, state),
    matchLength: (state) => at(matches, state),
  };
}

/** Nodes from the shallowest to the deepest: a node's failure link is always shallower than the node. */
function byDepth(depths: Int32Array, nodes: number, longest: number): Int32Array {
  const starts = new Int32Array(longest + 2);
  for (let node = 1; node < nodes; node++) {
    const slot = at(depths, node) + 1;
    starts[slot] = at(starts, slot) + 1;
  }
  for (let depth = 1; depth < starts.length; depth++)
    starts[depth] = at(starts, depth) + at(starts, depth - 1);
  const ordered = new Int32Array(Math.max(0, nodes - 1));
  for (let node = 1; node < nodes; node++) {
    const depth = at(depths, node);
    ordered[at(starts, depth)] = node;
    starts[depth] = at(starts, depth) + 1;
  }
  return ordered;
}

interface Edges {
  get(state: number, byte: number): number;
  set(state: number, byte: number, to: number): void;
}

/** Open addressing, at most half full; node 0 is never a target, so 0 means empty. The start has a table of its own: most bytes of a log never leave it. */
function createEdges(capacity: number): Edges {
  const size = 2 ** Math.ceil(Math.log2(capacity * 2 + 2));
  const keys = new Float64Array(size);
  const values = new Int32Array(size);
  const fromStart = new Int32Array(256);
  const slotOf = (state: number, byte: number): number => {
    const key = state * 256 + byte;
    let slot = (Math.imul(state, 0x9e3779b1) ^ Math.imul(byte + 1, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & (size - 1);
    while (at(values, slot) !== 0 && at(keys, slot) !== key) slot = (slot + 1) & (size - 1);
    return slot;
  };
  return {
    get: (state, byte) => (state === 0 ? at(fromStart, byte) : at(values, slotOf(state, byte))),
    set(state, byte, to) {
      if (state === 0) {
        fromStart[byte] = to;
        return;
      }
      const slot = slotOf(state, byte);
      keys[slot] = state * 256 + byte;
      values[slot] = to;
    },
  };
}

/** Reads a typed array where the index is known to be inside; keeps the hot loop free of undefined checks. */
function at(array: Int32Array | Uint8Array | Float64Array, index: number): number {
  return array[index] as number; // index comes from the arrays' own construction
}
