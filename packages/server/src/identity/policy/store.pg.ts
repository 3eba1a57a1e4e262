import { tablesOf } from '#platform';
import { parseRules } from './rules.ts';
import type { PolicyStore, StoredPolicy } from './store.ts';

interface Tables {
  identity_policies: { name: string; rules: unknown; updated_at: Date };
}

export const policyStore: PolicyStore = {
  async put(tx, policy, at) {
    const changed = { rules: JSON.stringify(policy.rules), updated_at: at };
    await tablesOf<Tables>(tx)
      .insertInto('identity_policies')
      .values({ name: policy.name, ...changed })
      .onConflict((on) => on.column('name').doUpdateSet(changed))
      .execute();
  },

  async remove(tx, name) {
    const removed = await tablesOf<Tables>(tx)
      .deleteFrom('identity_policies')
      .where('name', '=', name)
      .returning('name')
      .execute();
    return removed.length === 1;
  },

  async findAll(tx, names) {
    if (names.length === 0) return [];
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('identity_policies')
      .select(['name', 'rules'])
      .where('name', 'in', [...names])
      .execute();
    return rows.map(toPolicy);
  },

  async list(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('identity_policies')
      .select(['name', 'rules'])
      .execute();
    return rows.map(toPolicy).sort((a, b) => (a.name < b.name ? -1 : 1));
  },
};

/** Rules are parsed again on the way out: a row edited to hold a malformed rule must refuse, not be half understood. */
function toPolicy(row: { name: string; rules: unknown }): StoredPolicy {
  return { name: row.name, rules: parseRules(row.rules) };
}
