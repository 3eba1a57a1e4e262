import { sql } from 'kysely';
import { tablesOf } from '#platform';
import { type AuthorityStore, maxGenerations } from './store.ts';

interface Tables {
  signing_authorities: {
    number: number;
    root_number: number;
    root: Uint8Array;
    intermediate: Uint8Array;
    created_at: Date;
  };
}

export const authorityStore: AuthorityStore = {
  async list(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_authorities')
      .selectAll()
      .orderBy('number', 'desc')
      .limit(maxGenerations)
      .execute();
    return rows.map((row) => ({
      number: row.number,
      rootNumber: row.root_number,
      root: Uint8Array.from(row.root),
      intermediate: Uint8Array.from(row.intermediate),
      createdAt: row.created_at,
    }));
  },
  async lock(tx) {
    await sql`select pg_advisory_xact_lock(hashtextextended('signing/authority', 0))`.execute(tx);
  },
  async insert(tx, row) {
    await tablesOf<Tables>(tx)
      .insertInto('signing_authorities')
      .values({
        number: row.number,
        root_number: row.rootNumber,
        root: row.root,
        intermediate: row.intermediate,
        created_at: row.createdAt,
      })
      .execute();
  },
};
