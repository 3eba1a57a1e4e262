import { tablesOf } from '#platform';
import type { RekorStore, StoredPromise } from './store.ts';

interface Row {
  entry_id: string;
  integrated_time: number;
  signature: Uint8Array;
}

interface Tables {
  signing_rekor_promises: Row;
}

export const rekorStore: RekorStore = {
  async keep(tx, promises) {
    const tables = tablesOf<Tables>(tx);
    await tables
      .insertInto('signing_rekor_promises')
      .values(
        promises.map(({ entryId, integratedTime, signature }) => ({
          entry_id: entryId,
          integrated_time: integratedTime,
          signature,
        })),
      )
      .onConflict((conflict) => conflict.column('entry_id').doNothing())
      .execute();
    const rows = await tables
      .selectFrom('signing_rekor_promises')
      .selectAll()
      .where(
        'entry_id',
        'in',
        promises.map(({ entryId }) => entryId),
      )
      .execute();
    return rows.map(toPromise);
  },
  async find(tx, entryId) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_rekor_promises')
      .selectAll()
      .where('entry_id', '=', entryId)
      .executeTakeFirst();
    return row && toPromise(row);
  },
};

function toPromise(row: Row): StoredPromise {
  return { entryId: row.entry_id, integratedTime: row.integrated_time, signature: row.signature };
}
