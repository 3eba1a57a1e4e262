import { Fault } from '@sallyport/formats';
import type { Actor, Audit, Authorize, Clock, Db, Json } from '#platform';
import { checkName } from '../people/principal.ts';
import { builtInPolicies } from './built-in.ts';
import { isAllowed } from './decide.ts';
import { isAdministrator } from './grantable.ts';
import { parseRules, type Rule } from './rules.ts';
import { policyStore } from './store.pg.ts';
import type { StoredPolicy } from './store.ts';

export interface Policies {
  authorize: Authorize;
  /** All rules of all policies that the actor holds at this moment. */
  rulesOf(actor: Pick<Actor, 'policies'>): Promise<readonly Rule[]>;
  /** Creates or replaces a policy; takes effect with the next request of everybody who holds it. */
  putPolicy(actor: Actor, name: string, rules: unknown): Promise<StoredPolicy>;
  /** Holders of the name keep it, and it allows nothing until a policy of that name is put again. */
  removePolicy(actor: Actor, name: string): Promise<void>;
  getPolicy(name: string): Promise<StoredPolicy>;
  listPolicies(): Promise<readonly StoredPolicy[]>;
}

export function policyState(policy: StoredPolicy): Json {
  return {
    name: policy.name,
    rules: policy.rules.map((rule) => ({
      path: rule.path,
      capabilities: rule.capabilities,
      effect: rule.effect,
    })),
  };
}

export function policyResource(name: string): string {
  return `policy/${name}`;
}

export function createPolicies(deps: {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
}): Policies {
  const { db, audit, clock } = deps;

  async function rulesOf(names: readonly string[]): Promise<readonly Rule[]> {
    const builtIn = names.flatMap((name) => builtInPolicies.get(name) ?? []);
    const others = names.filter((name) => !builtInPolicies.has(name));
    if (others.length === 0) return builtIn;
    const stored = await db.read((tx) => policyStore.findAll(tx, others));
    return [...builtIn, ...stored.flatMap((policy) => policy.rules)];
  }

  function assertMayWrite(actor: Actor, name: string): void {
    // A policy is what everybody else is held to, so a path rule alone must not let anyone rewrite it.
    if (!isAdministrator(actor))
      throw new Fault('denied', 'identity.escalation', 'expected an administrator to change a policy');
    if (builtInPolicies.has(name))
      throw new Fault(
        'conflict',
        'identity.policy_built_in',
        `policy "${name}" is built in and cannot be changed`,
      );
  }

  return {
    rulesOf: async (actor) => await rulesOf(actor.policies),

    async authorize(actor, capability, path) {
      // `system` is this process itself; no credential authenticates as it.
      if (actor.kind === 'system') return;
      if (isAllowed(await rulesOf(actor.policies), capability, path)) return;
      throw new Fault('denied', 'identity.denied', 'no policy of yours allows this');
    },

    async putPolicy(actor, name, rules) {
      assertMayWrite(actor, name);
      const policy = { name: checkName(name, 'a policy name'), rules: parseRules(rules) };
      await db.write(async (tx) => {
        await policyStore.put(tx, policy, clock.now());
        await audit.record(tx, {
          type: 'identity.policy.put',
          actor,
          resource: policyResource(name),
          state: policyState(policy),
        });
      });
      return policy;
    },

    async removePolicy(actor, name) {
      assertMayWrite(actor, name);
      await db.write(async (tx) => {
        if (!(await policyStore.remove(tx, name))) throw noPolicy(name);
        await audit.record(tx, {
          type: 'identity.policy.removed',
          actor,
          resource: policyResource(name),
          state: null,
        });
      });
    },

    async getPolicy(name) {
      const builtIn = builtInPolicies.get(name);
      if (builtIn !== undefined) return { name, rules: builtIn };
      const [stored] = await db.read((tx) => policyStore.findAll(tx, [name]));
      if (stored === undefined) throw noPolicy(name);
      return stored;
    },

    async listPolicies() {
      const stored = await db.read((tx) => policyStore.list(tx));
      return [...[...builtInPolicies].map(([name, rules]) => ({ name, rules })), ...stored];
    },
  };
}

function noPolicy(name: string): Fault {
  return new Fault(
    'not_found',
    'identity.policy_unknown',
    `expected a policy, found none named "${name.slice(0, 80)}"`,
  );
}
