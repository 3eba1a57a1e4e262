import { type Codec, type RecordAt, recordIn, type Turn } from '#journal';
import { defaultPolicyText } from '../policy/default-policy.ts';
import { type Policy, parsePolicy } from '../policy/policy.ts';
import { wrappingPolicyName, wrappingPolicyText } from './wrapping-policy.ts';

/** A policy as somebody wrote it, and what it means. */
export interface StoredPolicy {
  readonly name: string;
  readonly text: string;
  /** The environments of whoever wrote it, outside of which it grants nothing; absent: of one who reaches all. */
  readonly environments?: readonly string[];
  readonly parsed: Policy;
}

type Written = Pick<StoredPolicy, 'name' | 'text' | 'environments'>;

const codec: Codec<StoredPolicy> = {
  kept: true,
  decode: (bytes) => understood(JSON.parse(bytes.toString('utf8')) as Written),
  encode: ({ name, text, environments }) => Buffer.from(JSON.stringify({ name, text, environments })),
};

function understood(written: Written): StoredPolicy {
  const parsed = parsePolicy(written.name, written.text);
  const environments = parsed.environments ?? written.environments;
  return { ...written, parsed: environments === undefined ? parsed : { ...parsed, environments } };
}

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

const path = (name: string): RecordAt => recordIn('policy/', name);

export function findPolicy(turn: Turn, name: string): StoredPolicy | undefined {
  return turn.space('system').read(path(name), codec) ?? builtIn.get(name);
}

export function putPolicy(turn: Turn, written: Written): void {
  turn.space('system').write(path(written.name), codec, understood(written));
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
