import { equalBytes, Fault, type TufRole, tufRoles } from '@sallyport/formats';
import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { TufStore, TufStoredFile } from './store.ts';

interface FileRow {
  path: string;
  role: string;
  version: number;
  bytes: Uint8Array;
  expires_at: Date | null;
  written_at: Date;
}

interface Tables {
  signing_tuf_files: FileRow;
  signing_tuf_keys: { number: number; keys: string; made_at: Date };
}

export const tufStore: TufStore = {
  async lock(tx) {
    await sql`select pg_advisory_xact_lock(hashtextextended('signing/tuf', 0))`.execute(tx);
  },
  async find(tx, path) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_tuf_files')
      .selectAll()
      .where('path', '=', path)
      .executeTakeFirst();
    return row && toFile(row);
  },
  async newest(tx, role) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_tuf_files')
      .selectAll()
      .where('role', '=', role)
      .orderBy('version', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row && toFile(row);
  },
  async put(tx, file) {
    const row = {
      path: file.path,
      role: file.role,
      version: file.version,
      bytes: file.bytes,
      expires_at: file.expiresAt ?? null,
      written_at: file.writtenAt,
    };
    const written = await tablesOf<Tables>(tx)
      .insertInto('signing_tuf_files')
      .values(row)
      .onConflict((conflict) =>
        file.role === 'timestamp'
          ? conflict.column('path').doUpdateSet(row)
          : conflict.column('path').doNothing(),
      )
      .returning('path')
      .execute();
    if (written.length === 1) return;
    const before = await tufStore.find(tx, file.path);
    if (before !== undefined && equalBytes(before.bytes, file.bytes)) return;
    throw new Fault('integrity', 'signing.tuf_rewritten', `expected ${file.path} to stay as it was written`);
  },
  async list(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_tuf_files')
      .selectAll()
      .orderBy('path')
      .execute();
    return rows.map(toFile);
  },
  async insertKeys(tx, { number, keys, madeAt }) {
    await tablesOf<Tables>(tx)
      .insertInto('signing_tuf_keys')
      .values({ number, keys, made_at: madeAt })
      .execute();
  },
  async listKeys(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_tuf_keys')
      .selectAll()
      .orderBy('number', 'desc')
      .execute();
    return rows.map((row) => ({ number: row.number, keys: row.keys, madeAt: row.made_at }));
  },
};

function toFile(row: FileRow): TufStoredFile {
  return {
    path: row.path,
    role: roleOf(row.role),
    version: row.version,
    bytes: row.bytes,
    expiresAt: row.expires_at ?? undefined,
    writtenAt: row.written_at,
  };
}

function roleOf(text: string): TufRole | 'target' {
  const role = text === 'target' ? text : tufRoles.find((known) => known === text);
  if (role !== undefined) return role;
  throw new Fault('integrity', 'signing.tuf_role', `expected a role of TUF in the row, got ${text}`);
}
