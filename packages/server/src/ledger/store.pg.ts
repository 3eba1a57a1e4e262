import { type Generated, type Selectable, sql } from 'kysely';
import { tablesOf } from '#platform';
import type { LedgerStore, PendingEntry, StoredEntry } from './store.ts';

interface Tables {
  ledger_outbox: {
    seq: Generated<number>;
    entry_id: string;
    resource: string | null;
    body: Uint8Array;
    leaf_hash: Uint8Array;
    refused: Generated<boolean>;
  };
  ledger_entries: { leaf_index: number; entry_id: string; resource: string | null; body: Uint8Array };
  ledger_tiles: { level: number; tile_index: number; hashes: Uint8Array };
  ledger_checkpoints: { tree_size: number; note: string };
  ledger_head: { one: Generated<boolean>; tree_size: number };
}

/** Names the sequencer among all advisory locks of the database: the first eight bytes of SHA-256("sallyport/ledger"). */
const sequencerLock = '-3523446982243464465';

export const ledgerStore: LedgerStore = {
  async insertPending(tx, entry) {
    await tablesOf<Tables>(tx)
      .insertInto('ledger_outbox')
      .values({
        entry_id: entry.entryId,
        resource: entry.resource,
        body: entry.body,
        leaf_hash: entry.leafHash,
      })
      .onConflict((conflict) => conflict.column('entry_id').doNothing())
      .execute();
  },
  async insertAllPending(tx, entries) {
    if (entries.length === 0) return [];
    const rows = await tablesOf<Tables>(tx)
      .insertInto('ledger_outbox')
      .values(
        entries.map((entry) => ({
          entry_id: entry.entryId,
          resource: entry.resource,
          body: entry.body,
          leaf_hash: entry.leafHash,
        })),
      )
      .onConflict((conflict) => conflict.column('entry_id').doNothing())
      .returning('entry_id')
      .execute();
    return rows.map((row) => row.entry_id);
  },
  async hasPending(tx) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('ledger_outbox')
      .select('seq')
      .where('refused', '=', false)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  },
  async takePending(tx, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('ledger_outbox')
      .selectAll()
      .where('refused', '=', false)
      .orderBy('seq')
      .limit(limit)
      .forUpdate()
      .execute();
    return rows.map(toPending);
  },
  async listPending(tx, afterSeq, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('ledger_outbox')
      .selectAll()
      .where('seq', '>', afterSeq)
      .orderBy('seq')
      .limit(limit)
      .execute();
    return rows.map(toPending);
  },
  async listPendingOf(tx, resource) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('ledger_outbox')
      .selectAll()
      .where('resource', '=', resource)
      .where('refused', '=', false)
      .orderBy('seq', 'desc')
      .execute();
    return rows.map(toPending);
  },
  async findPending(tx, entryIds) {
    if (entryIds.length === 0) return [];
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('ledger_outbox')
      .selectAll()
      .where('entry_id', 'in', entryIds)
      .execute();
    return rows.map(toPending);
  },
  async refusePending(tx, seqs) {
    if (seqs.length === 0) return;
    await tablesOf<Tables>(tx)
      .updateTable('ledger_outbox')
      .set({ refused: true })
      .where('seq', 'in', seqs)
      .execute();
  },
  async deletePending(tx, seqs) {
    if (seqs.length === 0) return;
    await tablesOf<Tables>(tx).deleteFrom('ledger_outbox').where('seq', 'in', seqs).execute();
  },

  async lockSequencer(tx) {
    await sql`select pg_advisory_xact_lock(${sequencerLock}::bigint)`.execute(tx);
  },
  async headSize(tx, hold) {
    const query = tablesOf<Tables>(tx).selectFrom('ledger_head').select('tree_size');
    const row = await (hold ? query.forUpdate() : query).executeTakeFirst();
    return row?.tree_size;
  },
  async setHeadSize(tx, treeSize) {
    await tablesOf<Tables>(tx).updateTable('ledger_head').set({ tree_size: treeSize }).execute();
  },

  async moveToEntries(tx, seqs, firstIndex) {
    // The bodies stay in the database: only their places travel.
    await sql`insert into ledger_entries (leaf_index, entry_id, resource, body)
      select ${firstIndex}::bigint + place.ordinality - 1, o.entry_id, o.resource, o.body
      from unnest(${[...seqs]}::bigint[]) with ordinality as place (seq, ordinality)
      join ledger_outbox o on o.seq = place.seq`.execute(tx);
    await sql`delete from ledger_outbox where seq = any(${[...seqs]}::bigint[])`.execute(tx);
  },
  async findEntries(tx, entryIds) {
    if (entryIds.length === 0) return [];
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('ledger_entries')
      .selectAll()
      .where('entry_id', 'in', entryIds)
      .execute();
    return rows.map(toEntry);
  },
  async listEntries(tx, firstIndex, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('ledger_entries')
      .selectAll()
      .where('leaf_index', '>=', firstIndex)
      .orderBy('leaf_index')
      .limit(limit)
      .execute();
    return rows.map(toEntry);
  },
  async listByResource(tx, resource, beforeIndex, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('ledger_entries')
      .selectAll()
      .where('resource', '=', resource)
      .where('leaf_index', '<', beforeIndex)
      .orderBy('leaf_index', 'desc')
      .limit(limit)
      .execute();
    return rows.map(toEntry);
  },

  async findTiles(tx, keys) {
    if (keys.length === 0) return [];
    const rows = await sql<Tables['ledger_tiles']>`select t.level, t.tile_index, t.hashes
      from unnest(${keys.map((key) => key.level)}::smallint[], ${keys.map((key) => key.index)}::bigint[]) as k (level, tile_index)
      join ledger_tiles t on t.level = k.level and t.tile_index = k.tile_index`.execute(tx);
    return rows.rows.map((row) => ({ level: row.level, index: row.tile_index, hashes: row.hashes }));
  },
  async putTiles(tx, tiles) {
    if (tiles.length === 0) return;
    await tablesOf<Tables>(tx)
      .insertInto('ledger_tiles')
      .values(tiles.map(({ level, index, hashes }) => ({ level, tile_index: index, hashes })))
      .onConflict((conflict) =>
        conflict.columns(['level', 'tile_index']).doUpdateSet({ hashes: (eb) => eb.ref('excluded.hashes') }),
      )
      .execute();
  },

  async insertCheckpoint(tx, checkpoint) {
    await tablesOf<Tables>(tx)
      .insertInto('ledger_checkpoints')
      .values({ tree_size: checkpoint.treeSize, note: checkpoint.note })
      .execute();
  },
  async lastCheckpoint(tx) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('ledger_checkpoints')
      .selectAll()
      .orderBy('tree_size', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row && { treeSize: row.tree_size, note: row.note };
  },
  async listCheckpoints(tx, afterSize, upToSize) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('ledger_checkpoints')
      .selectAll()
      .where('tree_size', '>', afterSize)
      .where('tree_size', '<=', upToSize)
      .orderBy('tree_size')
      .execute();
    return rows.map((row) => ({ treeSize: row.tree_size, note: row.note }));
  },
  async count(tx) {
    const result = await sql<{ entries: number; tiles: number; checkpoints: number }>`select
      (select count(*) from ledger_entries) as entries,
      (select count(*) from ledger_tiles) as tiles,
      (select count(*) from ledger_checkpoints) as checkpoints`.execute(tx);
    return result.rows[0] ?? { entries: 0, tiles: 0, checkpoints: 0 };
  },
};

function toPending(row: Selectable<Tables['ledger_outbox']>): PendingEntry {
  return {
    seq: row.seq,
    entryId: row.entry_id,
    resource: row.resource,
    body: row.body,
    leafHash: row.leaf_hash,
    refused: row.refused,
  };
}

function toEntry(row: Tables['ledger_entries']): StoredEntry {
  return { leafIndex: row.leaf_index, entryId: row.entry_id, resource: row.resource, body: row.body };
}
