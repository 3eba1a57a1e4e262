import { isAllowed, isMoreSpecific, type Rule } from '#identity';
import { covers, overlap, patternBelow } from './pattern.ts';

type Capability = Rule['capabilities'][number];

/** What may be done natively on the paths of a pattern that no narrower pattern of the same environment matches. */
export interface Right {
  /** Below the environment. */
  readonly pattern: string;
  /** Empty: nothing, and no wider pattern may say otherwise. */
  readonly capabilities: ReadonlySet<Capability>;
}

export interface EnvironmentRights {
  /** `project/name`. */
  readonly environment: string;
  /** Whether the paths themselves may be listed. */
  readonly lists: boolean;
  readonly rights: readonly Right[];
}

interface Below {
  readonly rule: Rule;
  readonly pattern: string;
}

/**
 * Native rules and policies of Vault's kind decide differently: there a denial always wins and the narrowest allow
 * counts; here the narrowest rule alone decides. So for each pattern it is worked out what holds on its paths, and
 * where that is not the same on all of them, the least of it. A token never gets more than its owner has; where rules
 * cross each other it may get less.
 */
export function rightsIn(environment: string, rules: readonly Rule[]): EnvironmentRights {
  const place = ['secrets', ...environment.split('/')];
  const below = rules.flatMap((rule): readonly Below[] => {
    const pattern = patternBelow(rule.path, place);
    return pattern === undefined ? [] : [{ rule, pattern }];
  });
  const patterns = [...new Set(below.map(({ pattern }) => pattern))];
  return {
    environment,
    lists: isAllowed(rules, 'list', place.join('/')),
    rights: patterns.map((pattern) => ({ pattern, capabilities: held(pattern, below) })),
  };
}

function held(pattern: string, below: readonly Below[]): ReadonlySet<Capability> {
  // Where another pattern is narrower, that one decides, and has its own turn.
  const concerned = below.filter(
    (each) => overlap(each.pattern, pattern) && !isNarrower(each.pattern, pattern),
  );
  const allows = concerned.filter(({ rule }) => rule.effect === 'allow');
  const whole = allows.filter((each) => covers(each.pattern, pattern)).map(({ rule }) => rule);
  const best = whole.reduce<Rule | undefined>(
    (before, rule) => (before === undefined || isMoreSpecific(rule.path, before.path) ? rule : before),
    undefined,
  );
  if (best === undefined) return new Set();
  let capabilities = union(whole.filter(({ path }) => path === best.path));
  for (const path of new Set(allows.map(({ rule }) => rule.path))) {
    if (!isMoreSpecific(path, best.path)) continue;
    const some = union(allows.filter(({ rule }) => rule.path === path).map(({ rule }) => rule));
    capabilities = capabilities.intersection(some);
  }
  const denied = union(concerned.filter(({ rule }) => rule.effect === 'deny').map(({ rule }) => rule));
  return capabilities.difference(denied);
}

function union(rules: readonly Rule[]): Set<Capability> {
  return new Set(rules.flatMap(({ capabilities }) => capabilities));
}

/** Whether the engine's policies let `one` decide where both match. */
function isNarrower(one: string, other: string): boolean {
  return one !== other && isMoreSpecific(one, other);
}
