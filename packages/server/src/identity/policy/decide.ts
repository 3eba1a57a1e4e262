import type { Capability } from './capability.ts';
import type { Rule } from './rules.ts';

/**
 * Whether `rules` (of all policies of an actor) allow `capability` on the concrete `path`. Pure.
 * A matching deny always wins. Among the allows the most specific pattern decides alone, so that a narrower rule can
 * take away what a wider one gives; rules with the very same pattern add up.
 */
export function isAllowed(rules: readonly Rule[], capability: Capability, path: string): boolean {
  if (!isConcretePath(path)) return false;
  const segments = path.split('/');
  const matching = rules.filter((rule) => matches(rule.path, segments));
  if (matching.some((rule) => rule.effect === 'deny' && rule.capabilities.includes(capability))) return false;
  const allows = matching.filter((rule) => rule.effect === 'allow');
  const winner = allows.map((rule) => rule.path).reduce<string | undefined>(moreSpecific, undefined);
  return allows.some((rule) => rule.path === winner && rule.capabilities.includes(capability));
}

/**
 * What may be asked about. An empty, `.` or `..` segment is never a resource, only an attempt to make two readers of
 * one path disagree (the matcher here, the file system or router there); control characters likewise.
 */
export function isConcretePath(path: string): boolean {
  if (path.length === 0 || path.length > 1000) return false;
  return path
    .split('/')
    .every((segment) => segment !== '' && segment !== '.' && segment !== '..' && plain.test(segment));
}

const plain = /^[A-Za-z0-9._~@:-]+$/;

function matches(pattern: string, path: readonly string[]): boolean {
  const wanted = pattern.split('/');
  for (const [index, segment] of wanted.entries()) {
    const found = path[index];
    if (index === wanted.length - 1 && segment.endsWith('*'))
      return found?.startsWith(segment.slice(0, -1)) === true;
    if (found === undefined || (segment !== '+' && segment !== found)) return false;
  }
  return wanted.length === path.length;
}

/** The order of Vault's ACL: later first wildcard, then no trailing glob, then fewer `+`, then longer. Total. */
function moreSpecific(left: string | undefined, right: string): string {
  if (left === undefined) return right;
  const a = specificity(left);
  const b = specificity(right);
  for (const [index, rank] of a.entries()) {
    const other = b[index] ?? 0;
    if (rank !== other) return rank > other ? left : right;
  }
  return left >= right ? left : right;
}

/** Whether the rules of `one` decide rather than those of `other`, where both patterns match. */
export function isMoreSpecific(one: string, other: string): boolean {
  return one !== other && moreSpecific(one, other) === one;
}

function specificity(pattern: string): readonly number[] {
  const wildcard = pattern.search(/(?<=^|\/)\+(?=\/|$)|\*$/);
  const plus = pattern.split('/').filter((segment) => segment === '+').length;
  return [
    wildcard === -1 ? Number.MAX_SAFE_INTEGER : wildcard,
    pattern.endsWith('*') ? 0 : 1,
    -plus,
    pattern.length,
  ];
}
