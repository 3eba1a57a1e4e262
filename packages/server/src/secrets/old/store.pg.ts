import { sql } from 'kysely';
import { tablesOf } from '#platform';
import { type SecretAddress, valueAddress } from './address.ts';
import type { SecretStore, SecretVersion } from './store.ts';

interface Tables {
  secrets_secrets: { project: string; environment: string; path: string; current_version: number };
  secrets_versions: {
    project: string;
    environment: string;
    path: string;
    version: number;
    created_by: string;
    created_at: Date;
  };
  secrets_values: {
    id: string;
    project: string;
    environment: string;
    path: string;
    version: number;
    key: string;
    key_version: number;
    wrapped_key: Uint8Array;
    nonce: Uint8Array;
    ciphertext: Uint8Array;
  };
}

export const secretStore: SecretStore = {
  async lock(tx, { project, environment, path }) {
    const row = await tablesOf<Tables>(tx)
      .insertInto('secrets_secrets')
      .values({ project, environment, path, current_version: 0 })
      // An update that changes nothing takes the row's lock and gives the row, in one statement.
      .onConflict((on) => on.columns(['project', 'environment', 'path']).doUpdateSet({ path }))
      .returning('current_version')
      .executeTakeFirstOrThrow();
    return row.current_version;
  },

  async addVersion(tx, { project, environment, path }, version, values) {
    const tables = tablesOf<Tables>(tx);
    await tables
      .insertInto('secrets_versions')
      .values({
        project,
        environment,
        path,
        version: version.version,
        created_by: version.createdBy,
        created_at: version.createdAt,
      })
      .execute();
    await tables
      .insertInto('secrets_values')
      .values(
        values.map(({ id, key, record }) => ({
          id,
          project,
          environment,
          path,
          version: version.version,
          key,
          key_version: record.keyVersion,
          wrapped_key: record.wrappedKey,
          nonce: record.nonce,
          ciphertext: record.ciphertext,
        })),
      )
      .execute();
    await tables
      .updateTable('secrets_secrets')
      .set({ current_version: version.version })
      .where('project', '=', project)
      .where('environment', '=', environment)
      .where('path', '=', path)
      .execute();
  },

  async currentVersion(tx, address) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('secrets_secrets')
      .select('current_version')
      .where('project', '=', address.project)
      .where('environment', '=', address.environment)
      .where('path', '=', address.path)
      .executeTakeFirst();
    return row?.current_version;
  },

  async values(tx, address, version) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('secrets_values')
      .selectAll()
      .where('project', '=', address.project)
      .where('environment', '=', address.environment)
      .where('path', '=', address.path)
      .where('version', '=', version)
      .execute();
    return rows.map((row) => ({
      id: row.id,
      key: row.key,
      record: {
        keyVersion: row.key_version,
        wrappedKey: row.wrapped_key,
        nonce: row.nonce,
        ciphertext: row.ciphertext,
      },
    }));
  },

  async versions(tx, address) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('secrets_versions')
      .selectAll()
      .select(keysOfVersion)
      .where('project', '=', address.project)
      .where('environment', '=', address.environment)
      .where('path', '=', address.path)
      .orderBy('version')
      .execute();
    return rows.map(toVersion);
  },

  async list(tx, { project, environment }, prefix) {
    return await tablesOf<Tables>(tx)
      .selectFrom('secrets_secrets')
      .select(['path', 'current_version as version'])
      .where('project', '=', project)
      .where('environment', '=', environment)
      .where(sql<boolean>`starts_with(path, ${prefix})`)
      .orderBy(sql`path collate "C"`)
      .execute();
  },

  async listAll(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('secrets_versions')
      .selectAll()
      .select(keysOfVersion)
      .orderBy('version')
      .execute();
    const all = new Map<string, SecretAddress & { versions: SecretVersion[] }>();
    for (const row of rows) {
      const { project, environment, path } = row;
      const name = `${project}/${environment}/${path}`;
      const secret = all.get(name) ?? { project, environment, path, versions: [] };
      secret.versions.push(toVersion(row));
      all.set(name, secret);
    }
    return [...all.values()];
  },

  async listOlderThan(tx, { project, environment }, keyVersion, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('secrets_values')
      .selectAll()
      .where('project', '=', project)
      .where('environment', '=', environment)
      .where('key_version', '<', keyVersion)
      .orderBy('id')
      .limit(limit)
      .forUpdate()
      .execute();
    return rows.map((row) => ({
      id: row.id,
      address: valueAddress(row, row.key, row.version),
      record: { keyVersion: row.key_version, wrappedKey: row.wrapped_key },
    }));
  },

  async replaceKey(tx, id, wrapped) {
    await tablesOf<Tables>(tx)
      .updateTable('secrets_values')
      .set({ key_version: wrapped.keyVersion, wrapped_key: wrapped.wrappedKey })
      .where('id', '=', id)
      .execute();
  },
};

const keysOfVersion = sql<string[]>`(
  select coalesce(jsonb_agg(v.key), '[]'::jsonb) from secrets_values v
  where v.project = secrets_versions.project and v.environment = secrets_versions.environment
    and v.path = secrets_versions.path and v.version = secrets_versions.version
)`.as('keys');

function toVersion(row: Tables['secrets_versions'] & { keys: string[] }): SecretVersion {
  return {
    version: row.version,
    createdBy: row.created_by,
    createdAt: row.created_at,
    keys: [...row.keys].sort(),
  };
}
