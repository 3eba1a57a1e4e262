import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { TimestampAuthority, TimestampStore } from './store.ts';

interface AuthorityRow {
  key_id: string;
  leaf: Uint8Array;
  root: Uint8Array;
  valid_from: Date;
  valid_until: Date;
  last_said: Date;
}

interface Tables {
  signing_timestamp_authorities: AuthorityRow;
}

export const timestampStore: TimestampStore = {
  async lock(tx) {
    await sql`select pg_advisory_xact_lock(hashtextextended('signing/timestamps', 0))`.execute(tx);
  },
  async find(tx, keyId) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_timestamp_authorities')
      .selectAll()
      .where('key_id', '=', keyId)
      .executeTakeFirst();
    return row && toAuthority(row);
  },
  async insert(tx, { keyId, leaf, root, validFrom, validUntil }) {
    await tablesOf<Tables>(tx)
      .insertInto('signing_timestamp_authorities')
      .values({
        key_id: keyId,
        leaf,
        root,
        valid_from: validFrom,
        valid_until: validUntil,
        last_said: validFrom,
      })
      .execute();
  },
  async list(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_timestamp_authorities')
      .selectAll()
      .orderBy('valid_from')
      .orderBy('key_id')
      .execute();
    return rows.map(toAuthority);
  },
  async advance(tx, keyId, at, notBefore) {
    const moved = await tablesOf<Tables>(tx)
      .updateTable('signing_timestamp_authorities')
      .set({ last_said: sql<Date>`greatest(last_said, ${at})` })
      .where('key_id', '=', keyId)
      .where('last_said', '<=', notBefore)
      .returning('key_id')
      .execute();
    return moved.length === 1;
  },
};

function toAuthority(row: AuthorityRow): TimestampAuthority {
  return {
    keyId: row.key_id,
    leaf: row.leaf,
    root: row.root,
    validFrom: row.valid_from,
    validUntil: row.valid_until,
  };
}
