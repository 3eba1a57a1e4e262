import type { Audit, AuditedTable, Clock, Db, Ids } from '#platform';
import { createGrants, type Grants, grantTable } from './grants/grants.ts';
import { secretStore } from './store.pg.ts';
import { createValues, secretTable, type ValueKeyring, type Values } from './values.ts';

export interface SecretsDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly keyring: ValueKeyring;
}

/** Versioned secrets, one mount and one KEK per environment; they leave by `get` or by a grant, always recorded first. */
export interface Secrets extends Values, Grants {}

export function createSecrets(deps: SecretsDeps): Secrets {
  deps.keyring.addHolder({
    name: 'secrets',
    async listOlderThan(tx, scope, keyVersion, limit) {
      const mount = /^env:([^/]+)\/([^/]+)$/.exec(scope);
      // Other scopes hold no record of ours.
      if (mount?.[1] === undefined || mount[2] === undefined) return [];
      return await secretStore.listOlderThan(
        tx,
        { project: mount[1], environment: mount[2] },
        keyVersion,
        limit,
      );
    },
    replace: (tx, id, wrapped) => secretStore.replaceKey(tx, id, wrapped),
  });
  return { ...createValues(deps), ...createGrants(deps) };
}

export function secretsAudited(): AuditedTable[] {
  return [secretTable(), grantTable()];
}
