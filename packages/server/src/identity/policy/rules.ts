import { Fault } from '@sallyport/formats';
import { type Capability, capabilities } from './capability.ts';

/**
 * A policy is a list of rules; a rule says what may be done on paths that match. Deny by default.
 * Patterns: literal segments, `+` for exactly one segment, and one `*` at the very end for any rest
 * (`secrets/shop/+/orders/*`). A `*` anywhere else is refused: a wildcard that silently crosses `/` is how such
 * rules come to mean more than their author read in them.
 */
export interface Rule {
  readonly path: string;
  readonly capabilities: readonly Capability[];
  /** `deny` wins over every allow, however specific, of every policy of the actor. */
  readonly effect: 'allow' | 'deny';
}

export const policyLimits = { rules: 200, pathLength: 500, segments: 30 } as const;

const literal = /^[A-Za-z0-9._~@:-]+$/;
const lastGlob = /^[A-Za-z0-9._~@:-]*\*$/;

function invalid(message: string, hint?: string): Fault {
  return new Fault('invalid', 'identity.policy_invalid', message, hint === undefined ? {} : { hint });
}

/** Checks a pattern; throws `identity.policy_invalid` naming the segment that is wrong. */
export function checkPattern(pattern: unknown): asserts pattern is string {
  if (typeof pattern !== 'string' || pattern.length === 0 || pattern.length > policyLimits.pathLength)
    throw invalid(`expected a path pattern of 1 to ${policyLimits.pathLength} characters`);
  const segments = pattern.split('/');
  if (segments.length > policyLimits.segments)
    throw invalid(`expected at most ${policyLimits.segments} segments, got ${segments.length}`);
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1;
    if (segment === '.' || segment === '..')
      throw invalid(`expected a plain segment in "${pattern}", got "${segment}"`);
    if (segment === '+' || literal.test(segment) || (last && lastGlob.test(segment))) return;
    throw invalid(
      `expected a literal segment, "+", or a final "*" in "${pattern}", got "${segment}"`,
      'a pattern has no leading or trailing slash, and "*" stands only at its end',
    );
  });
}

/** Parses the JSON of a policy (`{"rules":[…]}` is unwrapped by the caller). Unknown fields are refused. */
export function parseRules(value: unknown): readonly Rule[] {
  if (!Array.isArray(value) || value.length > policyLimits.rules)
    throw invalid(`expected a list of at most ${policyLimits.rules} rules`);
  return value.map(parseRule);
}

function parseRule(value: unknown): Rule {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('expected a rule to be an object with "path" and "capabilities"');
  const fields = new Map<string, unknown>(Object.entries(value));
  for (const name of fields.keys())
    if (name !== 'path' && name !== 'capabilities' && name !== 'effect')
      throw invalid(`expected only "path", "capabilities" and "effect" in a rule, got "${name}"`);
  const path = fields.get('path');
  checkPattern(path);
  const effect = fields.get('effect') ?? 'allow';
  if (effect !== 'allow' && effect !== 'deny') throw invalid('expected effect "allow" or "deny"');
  const asked = fields.get('capabilities');
  if (!Array.isArray(asked) || asked.length === 0 || asked.length > capabilities.length)
    throw invalid(`expected capabilities of ${capabilities.join(', ')} in the rule for "${path}"`);
  const granted = new Set(asked.map(parseCapability));
  return { path, capabilities: capabilities.filter((each) => granted.has(each)), effect };
}

function parseCapability(value: unknown): Capability {
  const found = capabilities.find((each) => each === value);
  if (found === undefined)
    throw invalid(`expected one of ${capabilities.join(', ')}, got ${JSON.stringify(value)?.slice(0, 40)}`);
  return found;
}
