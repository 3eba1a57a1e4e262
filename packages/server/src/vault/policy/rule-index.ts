import { type Grant, mergeGrants } from './grant.ts';
import { anySegment, type Pattern } from './pattern.ts';
import { compareSpecificity } from './specificity.ts';

export interface PlacedRule {
  readonly pattern: Pattern;
  readonly grant: Grant;
}

/** The rules of a token, found by path. */
export interface RuleIndex {
  /** The grant of the rule that names exactly `path`. */
  exact(path: string): Grant | undefined;
  /** The grant of the most specific rule with a wildcard that matches `path`. */
  wildcard(path: string): Grant | undefined;
  /** All rules; of rules with the same pattern one, with what they grant together. */
  readonly rules: readonly PlacedRule[];
}

/** A pattern, and all that rules say about it. */
interface Slot {
  readonly pattern: Pattern;
  readonly grants: Grant[];
  /** Its place among all patterns with wildcards: the higher one wins. */
  rank: number;
  grant: Grant | undefined;
}

/** A position behind the same segments of some patterns. */
interface Node {
  readonly children: Map<string, Node>;
  any: Node | undefined;
  /** The pattern that ends with the segment before this position. */
  leaf: Slot | undefined;
  /** Patterns whose last segment begins here and is cut off by the asterisk; the most specific one first. */
  globs: Array<{ readonly stem: string; readonly slot: Slot }>;
  /** The highest rank from here on. */
  ceiling: number;
}

/**
 * Builds a tree by segments, so that a decision costs as much as its path is long, and not as there are rules. Which of
 * several matches wins does not depend on the path, so their order is made once, here.
 */
export function indexRules(placed: readonly PlacedRule[]): RuleIndex {
  const exact = new Map<string, Slot>();
  const wild: Slot[] = [];
  const root = createNode();
  for (const { pattern, grant } of placed) {
    const slot =
      pattern.glob || pattern.wildcards > 0 ? wildSlot(root, pattern, wild) : exactSlot(exact, pattern);
    slot.grants.push(grant);
  }
  wild.sort((a, b) => compareSpecificity(a.pattern, b.pattern));
  for (const [rank, slot] of wild.entries()) slot.rank = rank;
  settle(root);
  const rules: PlacedRule[] = [];
  for (const slot of [...exact.values(), ...wild]) {
    slot.grant = mergeGrants(slot.grants);
    rules.push({ pattern: slot.pattern, grant: slot.grant });
  }
  return {
    exact: (path) => exact.get(path)?.grant,
    wildcard: (path) => seek(root, path, 0, undefined)?.grant,
    rules,
  };
}

function createNode(): Node {
  return { children: new Map(), any: undefined, leaf: undefined, globs: [], ceiling: -1 };
}

function createSlot(pattern: Pattern): Slot {
  return { pattern, grants: [], rank: -1, grant: undefined };
}

function exactSlot(exact: Map<string, Slot>, pattern: Pattern): Slot {
  const known = exact.get(pattern.text);
  if (known !== undefined) return known;
  const slot = createSlot(pattern);
  exact.set(pattern.text, slot);
  return slot;
}

function wildSlot(root: Node, pattern: Pattern, wild: Slot[]): Slot {
  let node = root;
  const whole = pattern.glob ? pattern.segments.slice(0, -1) : pattern.segments;
  for (const segment of whole) node = step(node, segment);
  const last = pattern.segments.at(-1);
  if (!pattern.glob || typeof last !== 'string') {
    if (node.leaf === undefined) {
      node.leaf = createSlot(pattern);
      wild.push(node.leaf);
    }
    return node.leaf;
  }
  const known = node.globs.find(({ stem }) => stem === last);
  if (known !== undefined) return known.slot;
  const slot = createSlot(pattern);
  node.globs.push({ stem: last, slot });
  wild.push(slot);
  return slot;
}

function step(node: Node, segment: string | typeof anySegment): Node {
  if (segment === anySegment) {
    node.any ??= createNode();
    return node.any;
  }
  const known = node.children.get(segment);
  if (known !== undefined) return known;
  const child = createNode();
  node.children.set(segment, child);
  return child;
}

/** Sorts the globs of each node and finds its ceiling, once all ranks are known. */
function settle(node: Node): number {
  node.globs.sort((a, b) => b.slot.rank - a.slot.rank);
  let ceiling = Math.max(node.leaf?.rank ?? -1, node.globs[0]?.slot.rank ?? -1);
  for (const child of node.children.values()) ceiling = Math.max(ceiling, settle(child));
  if (node.any !== undefined) ceiling = Math.max(ceiling, settle(node.any));
  node.ceiling = ceiling;
  return ceiling;
}

/**
 * The best match of `path` from the segment at `from` on, or `best` when none beats it. The ceilings keep a policy of
 * many overlapping wildcards from being walked whole.
 */
function seek(node: Node, path: string, from: number, best: Slot | undefined): Slot | undefined {
  let found = best;
  for (const { stem, slot } of node.globs) {
    if (found !== undefined && slot.rank <= found.rank) break;
    if (path.startsWith(stem, from)) {
      found = slot;
      break;
    }
  }
  const slash = path.indexOf('/', from);
  const segment = slash === -1 ? path.slice(from) : path.slice(from, slash);
  // The literal child first: it has the later wildcard, so it wins more often.
  const child = node.children.get(segment);
  if (child !== undefined) found = descend(child, path, slash, found);
  if (node.any !== undefined) found = descend(node.any, path, slash, found);
  return found;
}

function descend(node: Node, path: string, slash: number, best: Slot | undefined): Slot | undefined {
  if (best !== undefined && node.ceiling <= best.rank) return best;
  if (slash !== -1) return seek(node, path, slash + 1, best);
  const { leaf } = node;
  return leaf !== undefined && (best === undefined || leaf.rank > best.rank) ? leaf : best;
}
