import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { RevocationStore } from './store.ts';

interface Tables {
  signing_revocations: { one: boolean; sequence: number; predicate: string };
  signing_evidence: { signed_at: Date; log_index: number | null };
}

export const revocationStore: RevocationStore = {
  async lock(tx) {
    await sql`select pg_advisory_xact_lock(hashtextextended('signing/revocations', 0))`.execute(tx);
  },
  async newest(tx) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_revocations')
      .select(['sequence', 'predicate'])
      .executeTakeFirst();
    return row && { sequence: Number(row.sequence), predicate: row.predicate };
  },
  async newestSequence(tx) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_revocations')
      .select('sequence')
      .executeTakeFirst();
    return row && Number(row.sequence);
  },
  async replace(tx, { sequence, predicate }) {
    await tablesOf<Tables>(tx)
      .insertInto('signing_revocations')
      .values({ one: true, sequence, predicate })
      .onConflict((conflict) => conflict.column('one').doUpdateSet({ sequence, predicate }))
      .execute();
  },
  async firstIndexSince(tx, at) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_evidence')
      .select((eb) => eb.fn.min('log_index').as('first'))
      .where('signed_at', '>=', at)
      .executeTakeFirstOrThrow();
    return row.first === null ? undefined : Number(row.first);
  },
};
