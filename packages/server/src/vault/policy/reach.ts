import { grantsSomething } from './grant.ts';
import { anySegment, type Pattern } from './pattern.ts';
import type { PlacedRule } from './rule-index.ts';

/**
 * Whether some rule grants something on a path that begins with `prefix`, which ends with a slash. A more specific rule
 * may still take it away; the question is whether a token has business with a mount, not what it may do there.
 */
export function someRuleReaches(rules: readonly PlacedRule[], prefix: string): boolean {
  return rules.some(({ pattern, grant }) => grantsSomething(grant) && mayMatchBelow(pattern, prefix));
}

function mayMatchBelow(pattern: Pattern, prefix: string): boolean {
  const wanted = prefix.split('/');
  for (const [index, segment] of pattern.segments.entries()) {
    const last = index === pattern.segments.length - 1;
    const here = wanted[index];
    // What follows the last slash of the prefix is free.
    if (here === undefined || index === wanted.length - 1) return true;
    if (last && pattern.glob && segment !== anySegment) return here.startsWith(segment);
    if (segment !== anySegment && segment !== here) return false;
  }
  return false;
}
