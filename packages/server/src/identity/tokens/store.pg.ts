import { Fault } from '@sallyport/formats';
import { tablesOf } from '#platform';
import type { TokenStore } from './store.ts';
import type { Token } from './token.ts';

interface TokenRow {
  accessor: string;
  hash: Uint8Array;
  principal_id: string;
  policies: unknown;
  description: string;
  created_at: Date;
  expires_at: Date;
  revoked_at: Date | null;
  last_used_at: Date | null;
}

interface Tables {
  identity_tokens: TokenRow;
  identity_bootstrap: { hash: Uint8Array; expires_at: Date };
}

export const tokenStore: TokenStore = {
  async insert(tx, token) {
    await tablesOf<Tables>(tx)
      .insertInto('identity_tokens')
      .values({
        accessor: token.accessor,
        hash: token.hash,
        principal_id: token.principalId,
        policies: JSON.stringify(token.policies),
        description: token.description,
        created_at: token.createdAt,
        expires_at: token.expiresAt,
        revoked_at: token.revokedAt ?? null,
        last_used_at: token.lastUsedAt ?? null,
      })
      .execute();
  },

  async findByHash(tx, hash) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('identity_tokens')
      .selectAll()
      .where('hash', '=', hash)
      .executeTakeFirst();
    return row === undefined ? undefined : toToken(row);
  },

  async find(tx, accessor) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('identity_tokens')
      .selectAll()
      .where('accessor', '=', accessor)
      .executeTakeFirst();
    return row === undefined ? undefined : toToken(row);
  },

  async revoke(tx, accessor, at) {
    const revoked = await tablesOf<Tables>(tx)
      .updateTable('identity_tokens')
      .set({ revoked_at: at })
      .where('accessor', '=', accessor)
      .where('revoked_at', 'is', null)
      .returning('accessor')
      .execute();
    return revoked.length === 1;
  },

  async touch(tx, accessor, at) {
    await tablesOf<Tables>(tx)
      .updateTable('identity_tokens')
      .set({ last_used_at: at })
      .where('accessor', '=', accessor)
      .execute();
  },

  async list(tx, principalId) {
    const query = tablesOf<Tables>(tx).selectFrom('identity_tokens').selectAll().orderBy('accessor');
    const rows = await (principalId === undefined
      ? query
      : query.where('principal_id', '=', principalId)
    ).execute();
    return rows.map(toToken);
  },

  async insertBootstrap(tx, hash, expiresAt) {
    await tablesOf<Tables>(tx)
      .insertInto('identity_bootstrap')
      .values({ hash, expires_at: expiresAt })
      .execute();
  },

  async findBootstrap(tx, hash) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('identity_bootstrap')
      .select('expires_at')
      .where('hash', '=', hash)
      .executeTakeFirst();
    return row === undefined ? undefined : { expiresAt: row.expires_at };
  },

  async clearBootstrap(tx) {
    await tablesOf<Tables>(tx).deleteFrom('identity_bootstrap').execute();
  },
};

function toToken(row: TokenRow): Token {
  const policies = row.policies;
  if (!Array.isArray(policies) || !policies.every((each) => typeof each === 'string'))
    throw new Fault('integrity', 'identity.row_invalid', 'expected a stored list of names');
  return {
    accessor: row.accessor,
    hash: new Uint8Array(row.hash),
    principalId: row.principal_id,
    policies,
    description: row.description,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at ?? undefined,
    lastUsedAt: row.last_used_at ?? undefined,
  };
}
