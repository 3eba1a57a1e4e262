import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { TimestampAuthority, TimestampStore } from './store.ts';

interface AuthorityRow {
  number: number;
  key_id: string;
  leaf: Uint8Array;
  root: Uint8Array;
  valid_from: Date;
  valid_until: Date;
  last_said: Date;
  ended_at: Date | null;
}

interface Tables {
  signing_timestamp_authorities: AuthorityRow;
}

export const timestampStore: TimestampStore = {
  async lock(tx) {
    await sql`select pg_advisory_xact_lock(hashtextextended('signing/timestamps', 0))`.execute(tx);
  },
  async current(tx) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_timestamp_authorities')
      .selectAll()
      .where('ended_at', 'is', null)
      .executeTakeFirst();
    return row && toAuthority(row);
  },
  async insert(tx, { number, keyId, leaf, root, validFrom, validUntil }) {
    await tablesOf<Tables>(tx)
      .insertInto('signing_timestamp_authorities')
      .values({
        number,
        key_id: keyId,
        leaf,
        root,
        valid_from: validFrom,
        valid_until: validUntil,
        last_said: validFrom,
        ended_at: null,
      })
      .execute();
  },
  async end(tx, number, at) {
    await tablesOf<Tables>(tx)
      .updateTable('signing_timestamp_authorities')
      .set({ ended_at: at })
      .where('number', '=', number)
      .where('ended_at', 'is', null)
      .execute();
  },
  async list(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_timestamp_authorities')
      .selectAll()
      .orderBy('number')
      .execute();
    return rows.map(toAuthority);
  },
  async advance(tx, number, at, notBefore) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_timestamp_authorities')
      .select(['last_said', 'ended_at'])
      .where('number', '=', number)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined || row.ended_at !== null) return 'ended';
    if (row.last_said > notBefore) return 'behind';
    if (row.last_said < at) {
      await tablesOf<Tables>(tx)
        .updateTable('signing_timestamp_authorities')
        .set({ last_said: at })
        .where('number', '=', number)
        .execute();
    }
    return 'said';
  },
};

function toAuthority(row: AuthorityRow): TimestampAuthority {
  return {
    number: row.number,
    keyId: row.key_id,
    leaf: row.leaf,
    root: row.root,
    validFrom: row.valid_from,
    validUntil: row.valid_until,
    endedAt: row.ended_at ?? undefined,
  };
}
