import type { Pattern } from './pattern.ts';

/**
 * Orders patterns with wildcards that match the same path: negative when `a` yields to `b`. The five rules are those
 * that OpenBao documents (concepts/policies, "Policy syntax"), in its order.
 */
export function compareSpecificity(a: Pattern, b: Pattern): number {
  return (
    // 1. An earlier first wildcard yields.
    a.firstWildcard - b.firstWildcard ||
    // 2. A pattern that ends in an asterisk yields to one that does not.
    Number(b.glob) - Number(a.glob) ||
    // 3. More `+` segments yield.
    b.wildcards - a.wildcards ||
    // 4. The shorter one yields.
    a.sizeBytes - b.sizeBytes ||
    // 5. The one that is first in the alphabet yields.
    (a.text === b.text ? 0 : a.text < b.text ? -1 : 1)
  );
}
