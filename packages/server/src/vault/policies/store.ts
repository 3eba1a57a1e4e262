import type { Codec, Turn } from '#journal';
import { defaultPolicyText } from '../policy/default-policy.ts';
import { type Policy, parsePolicy } from '../policy/policy.ts';
import { wrappingPolicyName, wrappingPolicyText } from './wrapping-policy.ts';

/** A policy as somebody wrote it, and what it means. */
export interface StoredPolicy {
  readonly name: string;
  readonly text: string;
  readonly parsed: Policy;
}

const codec: Codec<StoredPolicy> = {
  kept: true,
  decode(bytes) {
    const { name, text } = JSON.parse(bytes.toString('utf8')) as { name: string; text: string };
    return { name, text, parsed: parsePolicy(name, text) };
  },
  encode: ({ name, text }) => Buffer.from(JSON.stringify({ name, text })),
};

/** May be changed, but is always there. */
export const defaultPolicyName = 'default';
/** Has no text and cannot be changed: it may do everything. */
export const rootPolicyName = 'root';

const builtIn: ReadonlyMap<string, StoredPolicy> = new Map(
  [
    [defaultPolicyName, defaultPolicyText] as const,
    // Nobody can store a text under this name; see sys/policy-paths.ts.
    [wrappingPolicyName, wrappingPolicyText] as const,
  ].map(([name, text]) => [name, { name, text, parsed: parsePolicy(name, text) }]),
);

const path = (name: string): string => `policy/${name}`;

export function findPolicy(turn: Turn, name: string): StoredPolicy | undefined {
  return turn.space('system').read(path(name), codec) ?? builtIn.get(name);
}

export function putPolicy(turn: Turn, name: string, text: string): void {
  turn.space('system').write(path(name), codec, { name, text, parsed: parsePolicy(name, text) });
}

export function deletePolicy(turn: Turn, name: string): void {
  turn.space('system').delete(path(name));
}

export function policyNames(turn: Turn): readonly string[] {
  const stored = turn.space('system').list('policy/');
  return [...new Set([defaultPolicyName, ...stored, rootPolicyName])].sort((one, other) =>
    one === rootPolicyName ? 1 : other === rootPolicyName ? -1 : one < other ? -1 : 1,
  );
}
