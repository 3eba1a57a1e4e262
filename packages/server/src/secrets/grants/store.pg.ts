import type { Transaction } from 'kysely';
import { tablesOf } from '#platform';
import type { Grant, GrantStore } from './store.ts';

interface GrantRow {
  id: string;
  holder: string;
  project: string;
  environment: string;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
}

interface ItemRow {
  grant_id: string;
  name: string;
  path: string;
  key: string;
  version: number;
  delivery: 'env' | 'file';
}

interface Tables {
  secrets_grants: GrantRow;
  secrets_grant_items: ItemRow;
}

export const grantStore: GrantStore = {
  async insert(tx, grant) {
    const tables = tablesOf<Tables>(tx);
    await tables
      .insertInto('secrets_grants')
      .values({
        id: grant.id,
        holder: grant.holder,
        project: grant.project,
        environment: grant.environment,
        created_at: grant.createdAt,
        expires_at: grant.expiresAt,
        ended_at: grant.endedAt ?? null,
      })
      .execute();
    if (grant.items.length > 0)
      await tables
        .insertInto('secrets_grant_items')
        .values(grant.items.map((item) => ({ ...item, grant_id: grant.id })))
        .execute();
  },

  find: async (tx, id) => (await grantStore.list(tx, [id]))[0],

  async findForShare(tx, id) {
    const tables = tablesOf<Tables>(tx);
    const rows = await tables
      .selectFrom('secrets_grants')
      .selectAll()
      .where('id', '=', id)
      .forShare()
      .execute();
    return (await withItems(tables, rows))[0];
  },

  async end(tx, holder, at) {
    const ended = await tablesOf<Tables>(tx)
      .updateTable('secrets_grants')
      .set({ ended_at: at })
      .where('holder', '=', holder)
      .where('ended_at', 'is', null)
      .returning('id')
      .execute();
    return ended.map((row) => row.id);
  },

  async list(tx, ids) {
    if (ids?.length === 0) return [];
    const tables = tablesOf<Tables>(tx);
    const query = tables.selectFrom('secrets_grants').selectAll().orderBy('id');
    return await withItems(
      tables,
      await (ids === undefined ? query : query.where('id', 'in', [...ids])).execute(),
    );
  },
};

async function withItems(tables: Transaction<Tables>, rows: readonly GrantRow[]): Promise<Grant[]> {
  if (rows.length === 0) return [];
  const items = await tables
    .selectFrom('secrets_grant_items')
    .selectAll()
    .where(
      'grant_id',
      'in',
      rows.map((row) => row.id),
    )
    .execute();
  return rows.map((row) => ({
    id: row.id,
    holder: row.holder,
    project: row.project,
    environment: row.environment,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at ?? undefined,
    items: items
      .filter((item) => item.grant_id === row.id)
      .map(({ name, path, key, version, delivery }) => ({ name, path, key, version, delivery }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  }));
}
