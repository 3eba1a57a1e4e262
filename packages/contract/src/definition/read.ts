import type { TSchema } from 'typebox';
import { isMap, isScalar, isSeq, type Node, type Pair } from 'yaml';
import { type KeyPath, nearest, type Problem, quote } from './problem.ts';

/**
 * Reads a YAML tree into a value, following a schema, and reports every place where the two differ. The tree is
 * walked instead of converted first, so that aliases are never expanded (no bomb), every problem knows its place,
 * and a key such as `__proto__` never becomes a property.
 */
export function readNode(root: Node | null, schema: TSchema, report: (problem: Problem) => void): unknown {
  return read(root, shapeOf(schema), [], 0, report);
}

/** The subset of JSON Schema that the model uses. */
interface Shape {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly const?: string | number | boolean;
  readonly anyOf?: readonly Shape[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly pattern?: string;
  readonly description?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

// A TypeBox schema is a JSON Schema object; the model uses no keyword beyond Shape (a test walks it).
const shapeOf = (schema: TSchema): Shape => schema as unknown as Shape;

type Report = (problem: Problem) => void;

const maxDepth = 16;

function read(node: Node | null, shape: Shape, path: KeyPath, around: number, report: Report): unknown {
  const offset = node?.range?.[0] ?? around;
  const wrong = (found: string, hint?: string): undefined => {
    report({ path, offset, expected: expectation(shape), found, ...(hint === undefined ? {} : { hint }) });
  };
  if (path.length > maxDepth) return wrong('deeper nesting than any definition needs');
  if (node !== null && !isPlain(node)) {
    return wrong(unplain(node), 'write the value out: aliases, anchors and tags are not used here');
  }
  if (shape.anyOf !== undefined) {
    const chosen = choose(shape.anyOf, node);
    return chosen === undefined
      ? wrong(describe(node), didYouMean(node, shape))
      : read(node, chosen, path, around, report);
  }
  if (shape.const !== undefined) {
    const value = isScalar(node) ? node.value : undefined;
    return value === shape.const ? value : wrong(describe(node), didYouMean(node, shape));
  }
  switch (shape.type) {
    case 'object':
      if (!isMap(node)) return wrong(describe(node));
      return shape.patternProperties === undefined
        ? readObject(node.items as Pair<Node, Node | null>[], shape, path, offset, report)
        : readRecord(node.items as Pair<Node, Node | null>[], shape, path, offset, report);
    case 'array':
      if (!isSeq(node)) return wrong(describe(node), isScalar(node) ? 'put the value into [ ]' : undefined);
      return readArray(node.items as (Node | null)[], shape, path, offset, report);
    default: {
      const value = isScalar(node) ? node.value : undefined;
      const problem = isScalar(node) ? scalarProblem(value, shape) : describe(node);
      if (problem === undefined) return value;
      const quotable = shape.type === 'string' && ['number', 'boolean'].includes(typeof value);
      return wrong(problem, quotable ? `put it in quotes: "${quote(value)}"` : undefined);
    }
  }
}

function readObject(
  items: readonly Pair<Node, Node | null>[],
  shape: Shape,
  path: KeyPath,
  offset: number,
  report: Report,
): Record<string, unknown> {
  const properties = shape.properties ?? {};
  const known = Object.keys(properties);
  const value: Record<string, unknown> = {};
  const present = eachEntry(items, path, report, (key, keyOffset, node) => {
    const inner = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (inner === undefined) {
      const meant = nearest(key, known);
      report({
        path: [...path, key],
        offset: keyOffset,
        expected: `one of ${known.join(', ')}`,
        found: `unknown key ${quote(key)}`,
        ...(meant === undefined ? {} : { hint: `did you mean "${meant}"` }),
      });
      return;
    }
    value[key] = read(node, inner, [...path, key], keyOffset, report);
  });
  for (const key of shape.required ?? []) {
    const inner = properties[key];
    if (present.has(key) || inner === undefined) continue;
    report({
      path: [...path, key],
      offset,
      expected: expectation(inner),
      found: 'nothing: this key is required',
    });
  }
  return value;
}

function readRecord(
  items: readonly Pair<Node, Node | null>[],
  shape: Shape,
  path: KeyPath,
  offset: number,
  report: Report,
): Record<string, unknown> {
  const [pattern = '', inner = {}] = Object.entries(shape.patternProperties ?? {})[0] ?? [];
  const value: Record<string, unknown> = {};
  count(items.length, 'keys', shape.minProperties, shape.maxProperties, path, offset, report);
  eachEntry(items.slice(0, shape.maxProperties), path, report, (key, keyOffset, node) => {
    // `__proto__` would set the prototype of whatever copies this value key by key.
    if (key === '__proto__' || !new RegExp(pattern).test(key)) {
      report({
        path: [...path, key],
        offset: keyOffset,
        expected: `a key that matches ${pattern}`,
        found: quote(key),
      });
      return;
    }
    value[key] = read(node, inner, [...path, key], keyOffset, report);
  });
  return value;
}

function readArray(
  items: readonly (Node | null)[],
  shape: Shape,
  path: KeyPath,
  offset: number,
  report: Report,
): unknown[] {
  count(items.length, 'items', shape.minItems, shape.maxItems, path, offset, report);
  const inner = shape.items ?? {};
  return items
    .slice(0, shape.maxItems)
    .map((item, index) => read(item, inner, [...path, index], offset, report));
}

/** Calls `visit` for each key that is a string and was not there before; gives all such keys. */
function eachEntry(
  items: readonly Pair<Node, Node | null>[],
  path: KeyPath,
  report: Report,
  visit: (key: string, keyOffset: number, node: Node | null) => void,
): Set<string> {
  const seen = new Set<string>();
  for (const { key, value } of items) {
    const keyOffset = key?.range?.[0] ?? 0;
    if (!isScalar(key) || !isPlain(key) || typeof key.value !== 'string') {
      const found = isScalar(key) && isPlain(key) ? quote(key.value) : describe(key);
      report({
        path,
        offset: keyOffset,
        expected: 'a key that is text',
        found,
        hint: 'put the key in quotes',
      });
    } else if (key.value === '<<') {
      report({
        path,
        offset: keyOffset,
        expected: 'a key',
        found: 'a merge key "<<"',
        hint: 'write the keys out: what a definition says must stand in it',
      });
    } else if (seen.has(key.value)) {
      report({
        path: [...path, key.value],
        offset: keyOffset,
        expected: 'each key once',
        found: `the key ${quote(key.value)} a second time`,
      });
    } else {
      seen.add(key.value);
      visit(key.value, keyOffset, value);
    }
  }
  return seen;
}

function count(
  size: number,
  what: string,
  least: number | undefined,
  most: number | undefined,
  path: KeyPath,
  offset: number,
  report: Report,
): void {
  if (least !== undefined && size < least) {
    report({ path, offset, expected: `at least ${least} ${what}`, found: `${size}` });
  } else if (most !== undefined && size > most) {
    report({ path, offset, expected: `at most ${most} ${what}`, found: `${size}` });
  }
}

/** The variant of a union a person meant: the equal literal, or the object that knows most of the keys. */
function choose(variants: readonly Shape[], node: Node | null): Shape | undefined {
  if (isScalar(node)) return variants.find((variant) => variant.const === node.value);
  if (!isMap(node)) return undefined;
  const keys = node.items.map(({ key }) => (isScalar(key) ? key.value : undefined));
  const hits = (variant: Shape): number =>
    keys.filter((key) => typeof key === 'string' && Object.hasOwn(variant.properties ?? {}, key)).length;
  const objects = variants.filter((variant) => variant.type === 'object');
  return objects.toSorted((a, b) => hits(b) - hits(a)).find((variant) => hits(variant) > 0);
}

function scalarProblem(value: unknown, shape: Shape): string | undefined {
  if (shape.type === 'boolean') return typeof value === 'boolean' ? undefined : describeValue(value);
  if (shape.type === 'integer' || shape.type === 'number') {
    if (typeof value !== 'number' || !Number.isFinite(value)) return describeValue(value);
    if (shape.type === 'integer' && !Number.isSafeInteger(value)) return quote(value);
    return value < (shape.minimum ?? value) || value > (shape.maximum ?? value) ? quote(value) : undefined;
  }
  if (typeof value !== 'string') return describeValue(value);
  if (value.length < (shape.minLength ?? 0)) return 'an empty text';
  if (value.length > (shape.maxLength ?? 65_536)) return `a text of ${value.length} characters`;
  // NUL ends strings in the kernel's interfaces: what is checked here would not be what runs.
  if (value.includes('\0')) return 'a text with a NUL character';
  return shape.pattern === undefined || new RegExp(shape.pattern).test(value) ? undefined : quote(value);
}

function didYouMean(node: Node | null, shape: Shape): string | undefined {
  const word = isScalar(node) && typeof node.value === 'string' ? node.value : undefined;
  const words = (shape.anyOf ?? [shape]).flatMap(({ const: only }) =>
    typeof only === 'string' ? [only] : [],
  );
  const meant = word === undefined ? undefined : nearest(word, words);
  return meant === undefined ? undefined : `did you mean "${meant}"`;
}

const isPlain = (node: Node): boolean =>
  (isScalar(node) || isMap(node) || isSeq(node)) && node.anchor === undefined && node.tag === undefined;

function unplain(node: Node): string {
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return 'an alias';
  return node.anchor === undefined ? `a tag ${quote(node.tag)}` : `an anchor ${quote(`&${node.anchor}`)}`;
}

function describe(node: Node | null): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  return isScalar(node) ? describeValue(node.value) : 'nothing';
}

const describeValue = (value: unknown): string =>
  value === null || value === undefined
    ? 'nothing'
    : `${typeof value === 'string' ? 'the text' : `the ${typeof value}`} ${quote(value)}`;

function expectation(shape: Shape): string {
  if (shape.anyOf !== undefined) {
    const literals = shape.anyOf.filter((variant) => variant.const !== undefined);
    if (literals.length === shape.anyOf.length)
      return `one of ${literals.map((one) => one.const).join(', ')}`;
    return shape.description ?? 'one of several shapes';
  }
  if (shape.const !== undefined) return quote(shape.const);
  const about = shape.description === undefined ? '' : ` (${shape.description})`;
  const { minimum, maximum, maxLength } = shape;
  switch (shape.type) {
    case 'object':
      return `a mapping${about}`;
    case 'array':
      return `a list${about}`;
    case 'boolean':
      return `true or false${about}`;
    case 'integer':
    case 'number':
      return `${shape.type === 'integer' ? 'a whole number' : 'a number'} from ${minimum} to ${maximum}${about}`;
    default:
      if (shape.pattern !== undefined)
        return about === '' ? `text that matches ${shape.pattern}` : `text${about}`;
      return maxLength === undefined ? `text${about}` : `text of at most ${maxLength} characters${about}`;
  }
}
