import { Fault } from '@sallyport/formats';
import { type Capability, namesOfMask, type Operation } from './capability.ts';
import { type Grant, grants, grantsSomething, wrappingAllows } from './grant.ts';
import { parametersAllow, type RequestData } from './parameters.ts';
import { resolvePath } from './pattern.ts';
import { type Policy, rootPolicy } from './policy.ts';
import { someRuleReaches } from './reach.ts';
import { indexRules, type PlacedRule, type RuleIndex } from './rule-index.ts';
import type { TemplateContext } from './template.ts';

export interface AccessRequest {
  readonly operation: Operation;
  /** Decoded, without `/v1/`. */
  readonly path: string;
  /** The body, or the query of a read; absent is empty. */
  readonly data?: RequestData | undefined;
  /** For how long the response is to be wrapped; absent when it is not. */
  readonly wrapTtlSeconds?: number | undefined;
  /** `project/env` of the mount that `path` leads to; absent when it belongs to none, like `sys`. */
  readonly environment?: string | undefined;
}

/** For the audit log. Who is refused is told none of it. */
export type RefusalReason = 'no_rule' | 'denied' | 'no_capability' | 'wrapping' | 'parameters' | 'path';

export interface AccessDecision {
  readonly allowed: boolean;
  /** Whether the rule grants `sudo`; the caller asks for it on root-protected paths, in addition to `allowed`. */
  readonly sudo: boolean;
  readonly reason?: RefusalReason;
}

/** What a token may do. Immutable; made once for a set of policies and an identity, asked for each request. */
export interface Acl {
  readonly root: boolean;
  check(request: AccessRequest): AccessDecision;
  /** Sorted names; `["root"]` for root, `["deny"]` for none. */
  capabilities(path: string, environment?: string): ReadonlyArray<Capability | 'root'>;
  /** Whether anything at or below `prefix` is granted, so that the token may know of the mount there. */
  reaches(prefix: string, environment?: string): boolean;
  /** All rules that count for `environment`, of which one for each pattern; none for root. */
  rules(environment?: string): readonly PlacedRule[];
}

/** An identity without entity and groups: no templated rule is in force. */
const nobody: TemplateContext = { groups: [] };

/**
 * Compiles `policies` for the identity `context`. Outside of the environments that a policy names only its denials
 * count. Throws an `invalid` fault when `root` comes with other policies.
 */
export function compileAcl(policies: readonly Policy[], context: TemplateContext = nobody): Acl {
  if (policies.some((policy) => policy.name === rootPolicy.name)) {
    if (policies.length !== 1 || policies[0] !== rootPolicy) {
      throw new Fault(
        'invalid',
        'vault.policy_root',
        'expected the policy "root" alone, got others along with it',
      );
    }
    return rootAcl;
  }
  const sources = policies.map(({ rules, environments }) => ({
    environments,
    rules: rules.flatMap(({ path, grant }): PlacedRule[] => {
      const pattern = resolvePath(path, context);
      return pattern === undefined ? [] : [{ pattern, grant }];
    }),
  }));
  const named = new Set(sources.flatMap(({ environments }) => environments ?? []));
  // One index for each environment that some policy names, and one for all others; each made when first asked for.
  const indexes = new Map<string | undefined, RuleIndex>();

  function indexOf(environment: string | undefined): RuleIndex {
    const key = environment !== undefined && named.has(environment) ? environment : undefined;
    const known = indexes.get(key);
    if (known !== undefined) return known;
    const index = indexRules(
      sources.flatMap(({ environments, rules }) =>
        environments === undefined || (key !== undefined && environments.includes(key))
          ? rules
          : rules.filter(({ grant }) => grants(grant, 'deny')),
      ),
    );
    indexes.set(key, index);
    return index;
  }

  return {
    root: false,
    check: (request) => decide(indexOf(request.environment), request),
    capabilities: (path, environment) => capabilitiesOf(indexOf(environment), path),
    reaches: (prefix, environment) => {
      const slashed = withoutLeadingSlash(prefix.endsWith('/') ? prefix : `${prefix}/`);
      const index = indexOf(environment);
      return grantsSomething(grantFor(index, slashed, true)) || someRuleReaches(index.rules, slashed);
    },
    rules: (environment) => indexOf(environment).rules,
  };
}

const rootDecision: AccessDecision = { allowed: true, sudo: true };

const rootAcl: Acl = {
  root: true,
  check: () => rootDecision,
  capabilities: () => ['root'],
  reaches: () => true,
  rules: () => [],
};

const dotSegment = /(?:^|\/)\.\.?(?:\/|$)/;

function decide(index: RuleIndex, request: AccessRequest): AccessDecision {
  const { operation } = request;
  if (operation === 'help') return { allowed: true, sudo: false };
  const lists = operation === 'list' || operation === 'scan';
  const bare = withoutLeadingSlash(request.path);
  // The router refuses such paths; here they match nothing, in case one day it cleans them up after the decision.
  if ((bare.includes('/.') || bare.startsWith('.')) && dotSegment.test(bare)) return refusal(false, 'path');
  // Lists are of what lies below, so they are decided for the path with a slash, whether or not it was sent.
  const path = lists && bare !== '' && !bare.endsWith('/') ? `${bare}/` : bare;
  const grant = grantFor(index, path, lists);
  if (grant === undefined) return refusal(false, 'no_rule');
  if (grants(grant, 'deny')) return refusal(false, 'denied');
  const sudo = grants(grant, 'sudo');
  if (!grants(grant, operation)) return refusal(sudo, 'no_capability');
  if (!wrappingAllows(grant, request.wrapTtlSeconds)) return refusal(sudo, 'wrapping');
  if (!lists && operation !== 'delete' && !parametersAllow(grant, request.data ?? {})) {
    return refusal(sudo, 'parameters');
  }
  return { allowed: true, sudo };
}

function refusal(sudo: boolean, reason: RefusalReason): AccessDecision {
  return { allowed: false, sudo, reason };
}

/** An exact rule wins over any with a wildcard; a list falls back to the rules for the path without its slash. */
function grantFor(index: RuleIndex, path: string, lists: boolean): Grant | undefined {
  const unslashed = lists && path.endsWith('/') ? path.slice(0, -1) : undefined;
  return (
    index.exact(path) ??
    (unslashed === undefined ? undefined : index.exact(unslashed)) ??
    index.wildcard(path) ??
    (unslashed === undefined ? undefined : index.wildcard(unslashed))
  );
}

function capabilitiesOf(index: RuleIndex, path: string): readonly Capability[] {
  return namesOfMask(grantFor(index, withoutLeadingSlash(path), true)?.capabilities ?? 0);
}

function withoutLeadingSlash(path: string): string {
  let from = 0;
  while (path[from] === '/') from += 1;
  return from === 0 ? path : path.slice(from);
}
