import type { Identity } from '#identity';
import type { Keyring } from '#keyring';
import type { Audit, AuditedTable, Clock, Db, Ids, Log } from '#platform';
import type { Vault } from '#vault';
import { createGrants, type Grants, grantTable } from './grants/grants.ts';
import { moveOldValues } from './old/move.ts';
import { createTokens, type Tokens } from './token/tokens.ts';
import { createValues, type Values } from './values.ts';

export interface SecretsDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  /** For values that are still in the tables of before. */
  readonly keyring: Pick<Keyring, 'decrypt'>;
  readonly identity: Pick<Identity, 'rulesOf'>;
  readonly vault: Pick<Vault, 'secrets' | 'signIn'>;
}

/**
 * The native side of the secrets in the vault, each environment a mount and a KEK of its own; they leave by `get` or by a
 * grant, always recorded first.
 */
export interface Secrets extends Values, Grants, Tokens {
  /** Moves what is left in the tables of before. Call it before anything else. */
  open(): Promise<void>;
}

export function createSecrets(deps: SecretsDeps): Secrets {
  const { secrets: vault, signIn } = deps.vault;
  return {
    ...createValues(vault),
    ...createGrants({ ...deps, vault }),
    ...createTokens({ ...deps, signIn }),
    open: async () => await moveOldValues({ ...deps, vault }),
  };
}

export function secretsAudited(): AuditedTable[] {
  return [grantTable()];
}
