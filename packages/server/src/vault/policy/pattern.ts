import { hiddenCharacter } from './syntax.ts';
import { type TemplateContext, valueOfSelector } from './template.ts';

/** Stands for one whole segment, whatever it is, also an empty one. */
export const anySegment: unique symbol = Symbol('+');

/** A path of a rule as it is matched. Only what the author of the policy wrote is ever a wildcard. */
export interface Pattern {
  /** Without the asterisk at the end. */
  readonly text: string;
  /** Of `text` in UTF-8, which is what OpenBao compares. */
  readonly sizeBytes: number;
  readonly segments: ReadonlyArray<string | typeof anySegment>;
  /** Whether anything may follow `text`. */
  readonly glob: boolean;
  readonly wildcards: number;
  /** Offset in `text` of the first `+` segment, or of the end when the asterisk comes first. */
  readonly firstWildcard: number;
}

/** A path of a policy, where selectors in double braces wait for the identity that uses it. */
export interface PathTemplate {
  readonly parts: readonly TemplatePart[];
  readonly glob: boolean;
  /** What it is for everybody, when it has no selectors: worked out once, not at each login. */
  readonly fixed: Pattern | undefined;
}

type TemplatePart = { readonly text: string } | { readonly selector: string };

/**
 * Splits a path of a policy into text and selectors, or says what is wrong with it. One slash in front is dropped, since
 * paths begin behind the one of the API.
 */
export function parsePath(path: string): PathTemplate | { readonly expected: string } {
  if (hiddenCharacter(path, 'nothing') !== undefined) return { expected: 'a path of visible characters' };
  const trimmed = path.startsWith('/') ? path.slice(1) : path;
  if (trimmed.includes('+*')) return { expected: 'a path without "+*", which is no wildcard' };
  const glob = trimmed.endsWith('*');
  const [head = '', ...rest] = (glob ? trimmed.slice(0, -1) : trimmed).split('{{');
  const parts: TemplatePart[] = [{ text: head }];
  for (const piece of rest) {
    const [selector = '', text, ...more] = piece.split('}}');
    if (text === undefined || more.length > 0) return { expected: 'each {{ closed by one }}' };
    parts.push({ selector: selector.trim() }, { text });
  }
  if (head.includes('}}')) return { expected: 'each }} behind a {{' };
  return { parts, glob, fixed: parts.length === 1 ? insertValues(parts, glob, { groups: [] }) : undefined };
}

/**
 * The pattern of a template for one identity, or `undefined` when a selector has no value, or one that could move the
 * path: an entity named `..`, `a/b` or `+` would otherwise reach what belongs to others. An asterisk in a value is an
 * asterisk and matches itself only.
 */
export function resolvePath(template: PathTemplate, context: TemplateContext): Pattern | undefined {
  return template.fixed ?? insertValues(template.parts, template.glob, context);
}

function insertValues(
  parts: readonly TemplatePart[],
  glob: boolean,
  context: TemplateContext,
): Pattern | undefined {
  const segments: Array<string | typeof anySegment> = [];
  let current = '';
  let inserted = false;

  function close(): boolean {
    if (inserted && (current === '.' || current === '..' || current === '+')) return false;
    segments.push(current === '+' ? anySegment : current);
    current = '';
    inserted = false;
    return true;
  }

  for (const part of parts) {
    if ('selector' in part) {
      const value = valueOfSelector(part.selector, context);
      if (value === undefined || !isInsertable(value)) return undefined;
      current += value;
      inserted = true;
      continue;
    }
    const [first = '', ...others] = part.text.split('/');
    current += first;
    for (const other of others) {
      if (!close()) return undefined;
      current = other;
    }
  }
  return close() ? patternOf(segments, glob) : undefined;
}

const longestValue = 512;

function isInsertable(value: string): boolean {
  return (
    value !== '' &&
    value.length <= longestValue &&
    !value.includes('/') &&
    value.isWellFormed() &&
    hiddenCharacter(value, 'nothing') === undefined
  );
}

function patternOf(segments: Pattern['segments'], glob: boolean): Pattern {
  const text = segments.map((segment) => (segment === anySegment ? '+' : segment)).join('/');
  let firstWildcard = text.length;
  let wildcards = 0;
  let at = 0;
  for (const segment of segments) {
    if (segment === anySegment) {
      if (wildcards === 0) firstWildcard = at;
      wildcards += 1;
    }
    at += (segment === anySegment ? 1 : segment.length) + 1;
  }
  return { text, sizeBytes: Buffer.byteLength(text), segments, glob, wildcards, firstWildcard };
}
