import { type Capability, capabilityBits } from './capability.ts';
import type { ParameterLimits, ParameterValue } from './parameters.ts';

/** What one rule says about its path, or several rules about the same path together. */
export interface Grant extends ParameterLimits {
  /** Bits of `capabilityBits`; `deny` stands alone. */
  readonly capabilities: number;
  /** Bounds of the time a response is wrapped for, in seconds; 0 is no bound, and any bound makes wrapping a must. */
  readonly minWrapSeconds: number;
  readonly maxWrapSeconds: number;
}

export const denyGrant: Grant = {
  capabilities: capabilityBits.deny,
  allowed: new Map(),
  denied: new Map(),
  required: new Set(),
  minWrapSeconds: 0,
  maxWrapSeconds: 0,
};

export function grants(grant: Grant, capability: Capability): boolean {
  return (grant.capabilities & capabilityBits[capability]) !== 0;
}

/** Whether anything is granted at all. */
export function grantsSomething(grant: Grant | undefined): boolean {
  return grant !== undefined && grant.capabilities !== 0 && !grants(grant, 'deny');
}

/** Whether a response that is wrapped for `seconds`, or not at all, is inside the bounds. */
export function wrappingAllows(grant: Grant, seconds: number | undefined): boolean {
  const { minWrapSeconds: min, maxWrapSeconds: max } = grant;
  if (min === 0 && max === 0) return true;
  if (seconds === undefined) return false;
  // Merged bounds can contradict each other; then no time satisfies both.
  return seconds >= min && (max === 0 || seconds <= max);
}

/**
 * Merges the grants that several rules give for one and the same path: capabilities add up, and a deny ends it. Of
 * wrapping bounds the shorter one stays, required parameters add up, and so do the values of a parameter, where "every
 * value" swallows the others. A rule without allowed parameters does not lift those of another one.
 */
export function mergeGrants(all: readonly Grant[]): Grant {
  const [first] = all;
  if (first !== undefined && all.length === 1) return first;
  const allowed = new Map<string, ParameterValue[]>();
  const denied = new Map<string, ParameterValue[]>();
  const required = new Set<string>();
  let capabilities = 0;
  let minWrapSeconds = 0;
  let maxWrapSeconds = 0;
  for (const grant of all) {
    if (grants(grant, 'deny')) return denyGrant;
    capabilities |= grant.capabilities;
    minWrapSeconds = shorter(minWrapSeconds, grant.minWrapSeconds);
    maxWrapSeconds = shorter(maxWrapSeconds, grant.maxWrapSeconds);
    addValues(allowed, grant.allowed);
    addValues(denied, grant.denied);
    for (const name of grant.required) required.add(name);
  }
  return { capabilities, allowed, denied, required, minWrapSeconds, maxWrapSeconds };
}

function shorter(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b);
}

function addValues(into: Map<string, ParameterValue[]>, from: ParameterLimits['allowed']): void {
  for (const [name, values] of from) {
    const known = into.get(name);
    if (known === undefined) into.set(name, [...values]);
    else if (known.length === 0 || values.length === 0) known.length = 0;
    else known.push(...values);
  }
}
