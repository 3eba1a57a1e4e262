import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { OldStore } from './store.ts';

interface Place {
  project: string;
  environment: string;
  path: string;
}

interface Tables {
  secrets_secrets: Place & { current_version: number };
  secrets_versions: Place & { version: number; created_by: string; created_at: Date };
  secrets_values: Place & {
    version: number;
    key: string;
    key_version: number;
    wrapped_key: Uint8Array;
    nonce: Uint8Array;
    ciphertext: Uint8Array;
  };
}

const lockName = 'sallyport.secrets.old';

type Opened = ReturnType<typeof tablesOf<Tables>>;

/** Whether the tables are there; nobody drops them until the transaction ends. */
async function hold(tables: Opened): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(hashtext(${lockName}))`.execute(tables);
  const { rows } = await sql<{
    there: boolean;
  }>`select to_regclass('secrets_secrets') is not null as there`.execute(tables);
  return rows[0]?.there === true;
}

export const oldStore: OldStore = {
  async addresses(tx) {
    const tables = tablesOf<Tables>(tx);
    if (!(await hold(tables))) return [];
    return await tables
      .selectFrom('secrets_secrets')
      .select(['project', 'environment', 'path'])
      .orderBy('project')
      .orderBy('environment')
      .orderBy('path')
      .execute();
  },

  async versions(tx, { project, environment, path }) {
    const tables = tablesOf<Tables>(tx);
    if (!(await hold(tables))) return [];
    const versions = await tables
      .selectFrom('secrets_versions')
      .selectAll()
      .where('project', '=', project)
      .where('environment', '=', environment)
      .where('path', '=', path)
      .orderBy('version')
      .execute();
    const values = await tables
      .selectFrom('secrets_values')
      .selectAll()
      .where('project', '=', project)
      .where('environment', '=', environment)
      .where('path', '=', path)
      .orderBy('key')
      .execute();
    return versions.map(({ version, created_by, created_at }) => ({
      version,
      createdBy: created_by,
      createdAt: created_at,
      values: values
        .filter((value) => value.version === version)
        .map((value) => ({
          key: value.key,
          record: {
            keyVersion: value.key_version,
            wrappedKey: value.wrapped_key,
            nonce: value.nonce,
            ciphertext: value.ciphertext,
          },
        })),
    }));
  },

  async remove(tx, { project, environment, path }) {
    const tables = tablesOf<Tables>(tx);
    for (const table of ['secrets_values', 'secrets_versions', 'secrets_secrets'] as const)
      await tables
        .deleteFrom(table)
        .where('project', '=', project)
        .where('environment', '=', environment)
        .where('path', '=', path)
        .execute();
  },

  async dropWhenEmpty(tx) {
    const tables = tablesOf<Tables>(tx);
    if (!(await hold(tables))) return;
    const { rows } = await sql`select 1 from secrets_secrets limit 1`.execute(tables);
    if (rows.length > 0) return;
    await sql`drop table secrets_values, secrets_versions, secrets_secrets`.execute(tables);
  },
};
