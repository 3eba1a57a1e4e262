import { type Claims, findClaim } from './claims.ts';
import { kindFacts } from './kinds.ts';
import type { FederationRule } from './rule.ts';

/** Whether the verified token is one of those that the rule lets in. */
export function matches(rule: FederationRule, claims: Claims): boolean {
  if (claims['iss'] !== rule.issuer || !isFor(claims['aud'], rule.audience)) return false;
  const wanted = Object.entries(rule.claims);
  // A rule without claims lets nobody in, whatever the linter of another version thought of it.
  return wanted.length > 0 && wanted.every(([name, value]) => holds(rule, name, value, claims));
}

/** Exactly the one audience: a token for two is also in the hands of the other. */
function isFor(audience: unknown, wanted: string): boolean {
  return Array.isArray(audience) ? audience.length === 1 && audience[0] === wanted : audience === wanted;
}

function holds(rule: FederationRule, name: string, wanted: string, claims: Claims): boolean {
  const value = findClaim(claims, name);
  if (value === undefined) return false;
  if (!wanted.includes('*')) return value === wanted;
  return kindFacts[rule.kind].patterns.includes(name) && like(value, wanted);
}

/** `*` is any text, also none, without "/", ":", "@" and "#". Linear in the text: at most two stand in a rule. */
function like(value: string, pattern: string): boolean {
  const parts = pattern.split('*');
  if (parts.length > 3) return false;
  const escaped = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('[^/:@#]*')}$`, 'u').test(value);
}
