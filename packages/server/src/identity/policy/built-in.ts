import { capabilities } from './capability.ts';
import type { Rule } from './rules.ts';

export const adminPolicy = 'admin';
export const agentPolicy = 'agent';

/**
 * Policies that always exist and cannot be changed, so that no edit locks everybody out or widens what an agent may
 * do. An agent speaks the agent protocol, pushes what it built and pulls what it deploys; it reads no secret by path
 * (secrets reach it through grants) and decides nothing.
 */
export const builtInPolicies: ReadonlyMap<string, readonly Rule[]> = new Map([
  [adminPolicy, [{ path: '*', capabilities, effect: 'allow' } satisfies Rule]],
  [
    agentPolicy,
    [
      { path: 'agent/*', capabilities: ['create', 'read', 'update', 'list'], effect: 'allow' },
      { path: 'registry/*', capabilities: ['create', 'read', 'list'], effect: 'allow' },
    ] satisfies readonly Rule[],
  ],
]);
