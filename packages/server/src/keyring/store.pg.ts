import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { KeyringStore, SealedRoot, StoredSigner, WrappedKek, WrappedRecovery } from './store.ts';

interface Tables {
  keyring_root: { version: number; seal_kind: string; sealed: Uint8Array; created_at: Date };
  keyring_keks: {
    scope: string;
    version: number;
    root_version: number;
    wrapped: Uint8Array;
    uses: string | number;
    created_at: Date;
  };
  keyring_recovery: {
    id: number;
    shares: number;
    threshold: number;
    root_version: number;
    wrapped: Uint8Array;
    created_at: Date;
  };
  keyring_signers: {
    name: string;
    algorithm: string;
    public_key: Uint8Array;
    key_version: number;
    wrapped_key: Uint8Array;
    nonce: Uint8Array;
    ciphertext: Uint8Array;
    created_at: Date;
  };
}

export const keyringStore: KeyringStore = {
  async lock(tx, what) {
    // 64 bits of a cryptographic hash: two different names share a lock only by an accident that costs a wait.
    await sql`select pg_advisory_xact_lock(('x' || left(encode(sha256(convert_to(${`keyring/${what}`}, 'UTF8')), 'hex'), 16))::bit(64)::bigint)`.execute(
      tx,
    );
  },

  async findRoot(tx, hold) {
    let query = tablesOf<Tables>(tx)
      .selectFrom('keyring_root')
      .selectAll()
      .orderBy('version', 'desc')
      .limit(1);
    if (hold === 'share') query = query.forShare();
    if (hold === 'update') query = query.forUpdate();
    const row = await query.executeTakeFirst();
    return row && toRoot(row);
  },
  async insertRoot(tx, root) {
    await tablesOf<Tables>(tx)
      .insertInto('keyring_root')
      .values({
        version: root.version,
        seal_kind: root.sealKind,
        sealed: root.sealed,
        created_at: root.createdAt,
      })
      .execute();
  },
  async resealRoot(tx, version, sealKind, sealed) {
    await tablesOf<Tables>(tx)
      .updateTable('keyring_root')
      .set({ seal_kind: sealKind, sealed })
      .where('version', '=', version)
      .execute();
  },
  async deleteRoot(tx, version) {
    await tablesOf<Tables>(tx).deleteFrom('keyring_root').where('version', '=', version).execute();
  },

  async findKek(tx, scope, version) {
    let query = tablesOf<Tables>(tx).selectFrom('keyring_keks').selectAll().where('scope', '=', scope);
    query = version === undefined ? query.orderBy('version', 'desc') : query.where('version', '=', version);
    const row = await query.limit(1).executeTakeFirst();
    return row && toKek(row);
  },
  async listKekVersions(tx, scope) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('keyring_keks')
      .select('version')
      .where('scope', '=', scope)
      .orderBy('version')
      .execute();
    return rows.map((row) => row.version);
  },
  async insertKek(tx, kek, at) {
    await tablesOf<Tables>(tx)
      .insertInto('keyring_keks')
      .values({
        scope: kek.scope,
        version: kek.version,
        root_version: kek.rootVersion,
        wrapped: kek.wrapped,
        uses: kek.uses,
        created_at: at,
      })
      .execute();
  },
  async listKeksNotUnder(tx, rootVersion) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('keyring_keks')
      .selectAll()
      .where('root_version', '<>', rootVersion)
      .orderBy('scope')
      .orderBy('version')
      .execute();
    return rows.map(toKek);
  },
  async rewrapKek(tx, scope, version, rootVersion, wrapped) {
    await tablesOf<Tables>(tx)
      .updateTable('keyring_keks')
      .set({ root_version: rootVersion, wrapped })
      .where('scope', '=', scope)
      .where('version', '=', version)
      .execute();
  },
  async addUses(tx, scope, version, uses) {
    await tablesOf<Tables>(tx)
      .updateTable('keyring_keks')
      .set({ uses: sql`uses + ${uses}` })
      .where('scope', '=', scope)
      .where('version', '=', version)
      .execute();
  },
  async listRotatedScopes(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('keyring_keks')
      .select(['scope', sql<number>`max(version)`.as('version')])
      .groupBy('scope')
      .having(sql`max(version)`, '>', 1)
      .orderBy('scope')
      .execute();
    return rows.map((row) => ({ scope: row.scope, version: Number(row.version) }));
  },

  async findRecovery(tx) {
    const row = await tablesOf<Tables>(tx).selectFrom('keyring_recovery').selectAll().executeTakeFirst();
    return row && toRecovery(row);
  },
  async putRecovery(tx, recovery) {
    await keyringStore.deleteRecovery(tx);
    await tablesOf<Tables>(tx)
      .insertInto('keyring_recovery')
      .values({
        id: 1,
        shares: recovery.shares,
        threshold: recovery.threshold,
        root_version: recovery.rootVersion,
        wrapped: recovery.wrapped,
        created_at: recovery.createdAt,
      })
      .execute();
  },
  async deleteRecovery(tx) {
    await tablesOf<Tables>(tx).deleteFrom('keyring_recovery').execute();
  },

  async findSigner(tx, name) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('keyring_signers')
      .selectAll()
      .where('name', '=', name)
      .executeTakeFirst();
    return row && toSigner(row);
  },
  async insertSigner(tx, signer, at) {
    await tablesOf<Tables>(tx)
      .insertInto('keyring_signers')
      .values({
        name: signer.name,
        algorithm: signer.algorithm,
        public_key: signer.publicKey,
        key_version: signer.keyVersion,
        wrapped_key: signer.wrappedKey,
        nonce: signer.nonce,
        ciphertext: signer.ciphertext,
        created_at: at,
      })
      .execute();
  },
  async listSignersOlderThan(tx, keyVersion, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('keyring_signers')
      .selectAll()
      .where('key_version', '<', keyVersion)
      .orderBy('name')
      .limit(limit)
      .forUpdate()
      .execute();
    return rows.map(toSigner);
  },
  async replaceSignerKey(tx, name, keyVersion, wrappedKey) {
    await tablesOf<Tables>(tx)
      .updateTable('keyring_signers')
      .set({ key_version: keyVersion, wrapped_key: wrappedKey })
      .where('name', '=', name)
      .execute();
  },

  async listRoots(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('keyring_root')
      .selectAll()
      .orderBy('version')
      .execute();
    return rows.map(toRoot);
  },
  async listKeks(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('keyring_keks')
      .selectAll()
      .orderBy('scope')
      .orderBy('version')
      .execute();
    return rows.map((row) => ({ scope: row.scope, version: row.version, createdAt: row.created_at }));
  },
  async listSigners(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('keyring_signers')
      .selectAll()
      .orderBy('name')
      .execute();
    return rows.map((row) => ({ ...toSigner(row), createdAt: row.created_at }));
  },
};

function toRoot(row: Tables['keyring_root']): SealedRoot {
  return {
    version: row.version,
    sealKind: row.seal_kind,
    sealed: row.sealed,
    createdAt: row.created_at,
  };
}

function toRecovery(row: Tables['keyring_recovery']): WrappedRecovery {
  return {
    shares: row.shares,
    threshold: row.threshold,
    rootVersion: row.root_version,
    wrapped: row.wrapped,
    createdAt: row.created_at,
  };
}

function toKek(row: Tables['keyring_keks']): WrappedKek {
  return {
    scope: row.scope,
    version: row.version,
    rootVersion: row.root_version,
    wrapped: row.wrapped,
    uses: Number(row.uses),
  };
}

function toSigner(row: Tables['keyring_signers']): StoredSigner {
  return {
    name: row.name,
    algorithm: row.algorithm,
    publicKey: row.public_key,
    keyVersion: row.key_version,
    wrappedKey: row.wrapped_key,
    nonce: row.nonce,
    ciphertext: row.ciphertext,
  };
}
