import fc from 'fast-check';
import type { AccessRequest } from './acl.ts';
import type { Operation } from './capability.ts';

/*
 * Access decided the slow way, from the sentences of the documentation and with nothing of the code it is compared
 * with: patterns are regular expressions, the winner is found by comparing each with each, and parameters are asked of
 * each rule by itself.
 */

export interface ModelRule {
  readonly path: string;
  readonly capabilities: readonly string[];
  readonly allowed: Readonly<Record<string, readonly number[]>>;
  readonly denied: Readonly<Record<string, readonly number[]>>;
  readonly required: readonly string[];
  readonly minWrap: number;
  readonly maxWrap: number;
}

export interface ModelPolicy {
  readonly environments: readonly string[] | null;
  readonly rules: readonly ModelRule[];
}

const segment = fc.constantFrom('a', 'b', 'ab', '+', '+', '');
const path = fc
  .tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([segments, glob]) => segments.join('/') + (glob && segments.at(-1) !== '+' ? '*' : ''));
const parameters = fc.dictionary(fc.constantFrom('p', 'q', '*'), fc.array(fc.nat(2), { maxLength: 2 }), {
  maxKeys: 2,
});
const operations = ['create', 'read', 'update', 'patch', 'delete', 'list', 'scan'] as const;
const capability = fc.constantFrom(...operations, 'read', 'list', 'update', 'sudo');
const environment = fc.constantFrom('shop/dev', 'shop/prod');

const withoutStarValues = (record: Readonly<Record<string, readonly number[]>>) =>
  '*' in record ? { ...record, '*': [] } : record;

/** Rules about few paths, so that many of them meet. */
export const anyRule: fc.Arbitrary<ModelRule> = fc
  .record({
    path,
    capabilities: fc.oneof(
      { weight: 5, arbitrary: fc.uniqueArray(capability, { maxLength: 4 }) },
      { weight: 1, arbitrary: fc.constant(['deny', 'read']) },
    ),
    allowed: fc.oneof(fc.constant({}), parameters.map(withoutStarValues)),
    denied: fc.oneof(fc.constant({}), fc.constant({}), parameters.map(withoutStarValues)),
    required: fc.oneof(fc.constant([]), fc.uniqueArray(fc.constantFrom('p', 'q'), { maxLength: 1 })),
    minWrap: fc.constantFrom(0, 0, 0, 10, 20),
    maxWrap: fc.constantFrom(0, 0, 0, 20, 30),
  })
  .map((rule) => ({ ...rule, path: rule.path.startsWith('/') ? `/${rule.path}` : rule.path }));

export const anyModel: fc.Arbitrary<ModelPolicy> = fc.record({
  environments: fc.option(fc.uniqueArray(environment, { minLength: 1 }), { freq: 2 }),
  rules: fc.array(anyRule, { maxLength: 6 }),
});

export const anyRequest: fc.Arbitrary<AccessRequest> = fc.record({
  operation: fc.constantFrom<Operation>(...operations, 'read', 'list', 'list'),
  path: fc
    .array(fc.constantFrom('a', 'b', 'ab', 'c', ''), { minLength: 1, maxLength: 5 })
    .map((all) => all.join('/')),
  data: fc.dictionary(fc.constantFrom('p', 'q', 'P', 'r'), fc.nat(3), { maxKeys: 2 }),
  wrapTtlSeconds: fc.constantFrom(undefined, 5, 15, 25, 40),
  environment: fc.oneof(environment, fc.constant(undefined)),
});

export function textOf({ environments, rules }: ModelPolicy): string {
  const blocks = rules.map((rule) => [
    rule.path,
    {
      capabilities: rule.capabilities,
      allowed_parameters: rule.allowed,
      denied_parameters: rule.denied,
      required_parameters: rule.required,
      min_wrapping_ttl: rule.minWrap,
      max_wrapping_ttl: rule.maxWrap,
    },
  ]);
  const scope = environments === null ? {} : { environments };
  return JSON.stringify({ ...scope, path: blocks.map(([key, block]) => ({ [String(key)]: block })) });
}

/** The rules that decide a request: all of the winning pattern, or none. */
export function winners(policies: readonly ModelPolicy[], request: AccessRequest): readonly ModelRule[] {
  const here = policies.flatMap(({ environments, rules }) =>
    rules
      .filter(
        ({ capabilities }) =>
          environments === null ||
          capabilities.includes('deny') ||
          environments.some((each) => each === request.environment),
      )
      .map((rule) => ({ ...rule, path: rule.path.replace(/^\//, '') })),
  );
  const lists = request.operation === 'list' || request.operation === 'scan';
  const stripped = request.path.replace(/^\/+/, '');
  const full = lists ? stripped.replace(/(?<=[^/])$/, '/') : stripped;
  const tries = lists ? [full, full.replace(/\/$/, '')] : [full];
  const isExact = (each: ModelRule) => !each.path.endsWith('*') && !each.path.split('/').includes('+');
  for (const exact of [true, false]) {
    for (const wanted of tries) {
      const matching = here.filter((rule) => isExact(rule) === exact && regexOf(rule.path).test(wanted));
      const [best] = matching.filter((rule) => matching.every((other) => !yields(rule.path, other.path)));
      if (best !== undefined) return matching.filter((rule) => rule.path === best.path);
    }
  }
  return [];
}

export function decideSlowly(policies: readonly ModelPolicy[], request: AccessRequest): boolean {
  const rules = winners(policies, request);
  if (rules.some(({ capabilities }) => capabilities.includes('deny'))) return false;
  if (!rules.some(({ capabilities }) => capabilities.includes(request.operation))) return false;
  const bound = (values: readonly number[]) => values.filter((value) => value > 0).sort((a, b) => a - b)[0];
  const min = bound(rules.map(({ minWrap }) => minWrap));
  const max = bound(rules.map(({ maxWrap }) => maxWrap));
  const ttl = request.wrapTtlSeconds;
  if (min !== undefined && (ttl === undefined || ttl < min)) return false;
  if (max !== undefined && (ttl === undefined || ttl > max)) return false;
  if (['list', 'scan', 'delete'].includes(request.operation)) return true;
  return parametersFit(rules, Object.entries(request.data ?? {}));
}

function parametersFit(
  rules: readonly ModelRule[],
  data: ReadonlyArray<readonly [string, unknown]>,
): boolean {
  if (rules.some(({ required }) => required.some((name) => data.every(([sent]) => sent !== name))))
    return false;
  const allows = rules.some(({ allowed }) => Object.keys(allowed).length > 0);
  return data.every(([sent, value]) => {
    const name = sent.toLowerCase();
    const listed = (lists: ReadonlyArray<readonly number[] | undefined>) =>
      lists.some((list) => list !== undefined && (list.length === 0 || list.some((each) => each === value)));
    if (rules.some(({ denied }) => '*' in denied) || listed(rules.map(({ denied }) => denied[name])))
      return false;
    const named = rules.some(({ allowed }) => name in allowed);
    if (named) return listed(rules.map(({ allowed }) => allowed[name]));
    return !allows || rules.some(({ allowed }) => '*' in allowed);
  });
}

function regexOf(pattern: string): RegExp {
  const glob = pattern.endsWith('*');
  const segments = (glob ? pattern.slice(0, -1) : pattern).split('/');
  return new RegExp(
    `^${segments.map((each) => (each === '+' ? '[^/]*' : each)).join('/')}${glob ? '.*' : ''}$`,
    's',
  );
}

/** Whether pattern `a` has lower priority than `b`; both match the same path. */
function yields(a: string, b: string): boolean {
  const first = (pattern: string) => pattern.search(/[+*]/);
  const pluses = (pattern: string) => pattern.split('+').length;
  const length = (pattern: string) => pattern.replace(/\*$/, '').length;
  if (first(a) !== first(b)) return first(a) < first(b);
  if (a.endsWith('*') !== b.endsWith('*')) return a.endsWith('*');
  if (pluses(a) !== pluses(b)) return pluses(a) > pluses(b);
  if (length(a) !== length(b)) return length(a) < length(b);
  return a < b;
}
