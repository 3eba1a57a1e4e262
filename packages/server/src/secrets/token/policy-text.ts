import { Fault } from '@sallyport/formats';
import type { EnvironmentRights, Right } from './rights.ts';

/** Of one policy; see vault/policy. */
const maxRules = 1000;

/**
 * The policy, as JSON, that allows on the mounts of these environments what natively is allowed: values to those who
 * may read, new versions to those who may update, versions and names to those who may list, and to those who may
 * delete what only Vault's interface can: delete, undelete and destroy versions.
 */
export function policyText(environments: readonly EnvironmentRights[]): string {
  const path: Record<string, { readonly capabilities: readonly string[] }> = Object.create(null);
  for (const { environment, lists, rights } of environments) {
    // A narrower rule hides a wider one whole, so each of them says what it has of everything.
    const all = lists && !rights.some(({ pattern }) => pattern === '*') ? [...rights, nothing] : rights;
    for (const right of all) {
      const below = (engine: string) => `${environment}/${engine}/${right.pattern}`;
      const may = (name: 'read' | 'update' | 'delete' | 'list', ...then: string[]) =>
        right.capabilities.has(name) ? then : [];
      path[below('data')] = rule([
        ...may('read', 'read'),
        ...may('update', 'create', 'update'),
        // A patch leaves other keys as they are, which natively takes the right to read them.
        ...(right.capabilities.has('read') ? may('update', 'patch') : []),
        ...may('delete', 'delete'),
      ]);
      path[below('metadata')] = rule([
        ...may('list', 'read'),
        ...may('delete', 'delete'),
        ...(lists ? ['list'] : []),
      ]);
      path[below('subkeys')] = rule(may('list', 'read'));
      for (const engine of ['delete', 'undelete', 'destroy'])
        path[below(engine)] = rule(may('delete', 'create', 'update'));
    }
  }
  const count = Object.keys(path).length;
  if (count > maxRules)
    throw new Fault(
      'precondition',
      'secrets.policy_too_large',
      `expected rights that fit into ${maxRules} rules, got ${count}`,
      { hint: 'ask for a token of one environment only' },
    );
  return JSON.stringify({ path });
}

const nothing: Right = { pattern: '*', capabilities: new Set() };

const rule = (capabilities: readonly string[]) => ({
  capabilities: capabilities.length === 0 ? ['deny'] : capabilities,
});
