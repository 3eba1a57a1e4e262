import { generateKeyPairSync, sign } from 'node:crypto';
import { sql } from 'kysely';
import type { Audit, AuditedTable, Db, Migration, Tx } from '#platform';
import type { LedgerSigner } from './index.ts';

/** For the tests of this folder: a context with one audited table, and a log key. */
export const demoMigration: Migration = {
  name: 'demo/0001-items',
  sql: 'create table demo_items (name text primary key, value text not null, size bigint not null)',
};

export const demoTable: AuditedTable = {
  kind: 'item',
  states: async (tx) => {
    const { rows } = await sql<{
      name: string;
      value: string;
      size: number;
    }>`select * from demo_items`.execute(tx);
    return rows.map((row) => [`item/${row.name}`, { ...row }] as const);
  },
};

/** Changes an item and records it, as every context does. */
export async function putItem(audit: Audit, tx: Tx, name: string, value: string): Promise<void> {
  const size = value.length;
  await sql`insert into demo_items values (${name}, ${value}, ${size})
    on conflict (name) do update set value = excluded.value, size = excluded.size`.execute(tx);
  await audit.record(tx, {
    type: 'demo.item.put',
    actor: { kind: 'person', id: 'psn_ada' },
    resource: `item/${name}`,
    state: { name, value, size },
    detail: { note: 'put' },
  });
}

export async function removeItem(audit: Audit, tx: Tx, name: string): Promise<void> {
  await sql`delete from demo_items where name = ${name}`.execute(tx);
  await audit.record(tx, {
    type: 'demo.item.removed',
    actor: { kind: 'system', id: 'system' },
    resource: `item/${name}`,
    state: null,
  });
}

export function newSigner(): LedgerSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const publicKeySpki = Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' }));
  return { keyId: 'test', publicKeySpki, sign: (bytes) => Uint8Array.from(sign(null, bytes, privateKey)) };
}

/** Empties every table, in place of a new database per test. */
export async function emptyTables(db: Db): Promise<void> {
  await db.write(async (tx) => {
    await sql`truncate ledger_outbox, ledger_entries, ledger_tiles, ledger_checkpoints, ledger_head, demo_items`.execute(
      tx,
    );
    await sql`insert into ledger_head (tree_size) values (0)`.execute(tx);
  });
}
