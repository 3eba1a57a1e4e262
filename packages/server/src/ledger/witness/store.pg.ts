import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { WitnessStore } from './store.ts';

interface Tables {
  ledger_witnessed: { origin: string; tree_size: number; root_hash: Uint8Array };
  ledger_cosignatures: { tree_size: number; witness: string; line: string };
  ledger_checkpoints: { tree_size: number; note: string };
}

export const witnessStore: WitnessStore = {
  async headForUpdate(tx, origin) {
    // A row that is not there yet cannot be locked; its name can.
    await sql`select pg_advisory_xact_lock(hashtextextended(${`ledger/witness/${origin}`}, 0))`.execute(tx);
    const row = await tablesOf<Tables>(tx)
      .selectFrom('ledger_witnessed')
      .selectAll()
      .where('origin', '=', origin)
      .forUpdate()
      .executeTakeFirst();
    return row && { treeSize: row.tree_size, rootHash: row.root_hash };
  },
  async setHead(tx, origin, { treeSize, rootHash }) {
    const row = { tree_size: treeSize, root_hash: rootHash };
    await tablesOf<Tables>(tx)
      .insertInto('ledger_witnessed')
      .values({ origin, ...row })
      .onConflict((conflict) => conflict.column('origin').doUpdateSet(row))
      .execute();
  },
  async keepCosignature(tx, treeSize, witness, line) {
    await tablesOf<Tables>(tx)
      .insertInto('ledger_cosignatures')
      .values({ tree_size: treeSize, witness, line })
      .onConflict((conflict) => conflict.columns(['tree_size', 'witness']).doNothing())
      .execute();
  },
  async cosignatures(tx, treeSize) {
    return tablesOf<Tables>(tx)
      .selectFrom('ledger_cosignatures')
      .select(['witness', 'line'])
      .where('tree_size', '=', treeSize)
      .orderBy('witness')
      .execute();
  },
  async lastCosigned(tx, witness) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('ledger_cosignatures')
      .select('tree_size')
      .where('witness', '=', witness)
      .orderBy('tree_size', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row?.tree_size ?? 0;
  },
  async largestWithQuorum(tx, witnesses, quorum) {
    if (witnesses.length === 0) return undefined;
    const row = await tablesOf<Tables>(tx)
      .selectFrom('ledger_cosignatures')
      .select('tree_size')
      .where('witness', 'in', witnesses)
      .groupBy('tree_size')
      .having((eb) => eb(eb.fn.countAll<number>(), '>=', quorum))
      .orderBy('tree_size', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row?.tree_size;
  },
  async note(tx, treeSize) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('ledger_checkpoints')
      .select('note')
      .where('tree_size', '=', treeSize)
      .executeTakeFirst();
    return row?.note;
  },
};
