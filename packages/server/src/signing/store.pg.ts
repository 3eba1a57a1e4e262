import { type Digest, Fault, parseDigest } from '@sallyport/formats';
import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { Sealing, SigningKey, SigningStore } from './store.ts';

interface EvidenceRow {
  id: string;
  key: string;
  subject: string;
  subject_name: string;
  predicate_type: string;
  payload: Uint8Array;
  signature: Uint8Array;
  key_hint: string;
  entry_id: string | null;
  oci_repository: string | null;
  signed_at: Date;
  bundle: string | null;
  bundle_digest: string | null;
  log_index: number | null;
  sealed_at: Date | null;
  attached_at: Date | null;
}

interface KeyRow {
  hint: string;
  public_key: Uint8Array;
  valid_from: Date;
  valid_until: Date | null;
}

interface Tables {
  signing_evidence: EvidenceRow;
  signing_keys: KeyRow;
  signing_trust_roots: { payload_digest: string; document: string; created_at: Date };
}

export const signingStore: SigningStore = {
  async findKey(tx, hint) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_keys')
      .selectAll()
      .where('hint', '=', hint)
      .executeTakeFirst();
    return row && toKey(row);
  },
  async listKeys(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_keys')
      .selectAll()
      .orderBy('valid_from')
      .orderBy('hint')
      .execute();
    return rows.map(toKey);
  },
  async activateKey(tx, key) {
    const tables = tablesOf<Tables>(tx);
    await tables
      .updateTable('signing_keys')
      .set({ valid_until: key.validFrom })
      .where('valid_until', 'is', null)
      .execute();
    await tables
      .insertInto('signing_keys')
      .values({ hint: key.hint, public_key: key.publicKey, valid_from: key.validFrom, valid_until: null })
      .execute();
  },
  async endOfKey(tx, hint) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_evidence')
      .select([
        (eb) => eb.fn.coalesce(eb.fn.max('log_index'), sql<number>`-1`).as('highest'),
        sql<boolean>`coalesce(bool_or(log_index is null), false)`.as('open'),
      ])
      .where('key_hint', '=', hint)
      .executeTakeFirstOrThrow();
    return row.open ? undefined : Number(row.highest) + 1;
  },
  async lockKeys(tx) {
    await sql`select pg_advisory_xact_lock(hashtextextended('signing/keys', 0))`.execute(tx);
  },

  async insert(tx, sealing) {
    const inserted = await tablesOf<Tables>(tx)
      .insertInto('signing_evidence')
      .values({
        id: sealing.id,
        key: sealing.key,
        subject: sealing.subject,
        subject_name: sealing.subjectName,
        predicate_type: sealing.predicateType,
        payload: sealing.payload,
        signature: sealing.signature,
        key_hint: sealing.keyHint,
        entry_id: null,
        oci_repository: sealing.ociRepository ?? null,
        signed_at: sealing.signedAt,
        bundle: null,
        bundle_digest: null,
        log_index: null,
        sealed_at: null,
        attached_at: null,
      })
      .onConflict((conflict) => conflict.column('key').doNothing())
      .returning('id')
      .execute();
    return inserted.length === 1;
  },
  async setEntry(tx, id, entryId) {
    await tablesOf<Tables>(tx)
      .updateTable('signing_evidence')
      .set({ entry_id: entryId })
      .where('id', '=', id)
      .execute();
  },
  async findByKey(tx, key) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_evidence')
      .selectAll()
      .where('key', '=', key)
      .executeTakeFirst();
    return row && toSealing(row);
  },
  async getForUpdate(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_evidence')
      .selectAll()
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirstOrThrow();
    return toSealing(row);
  },
  async setSealed(tx, id, sealed) {
    await tablesOf<Tables>(tx)
      .updateTable('signing_evidence')
      .set({
        bundle: sealed.bundle,
        bundle_digest: sealed.bundleDigest,
        log_index: sealed.logIndex,
        sealed_at: sealed.at,
      })
      .where('id', '=', id)
      .execute();
  },
  async setAttached(tx, id, at) {
    await tablesOf<Tables>(tx)
      .updateTable('signing_evidence')
      .set({ attached_at: at })
      .where('id', '=', id)
      .execute();
  },
  async listSealed(tx, subject, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_evidence')
      .selectAll()
      .where('subject', '=', subject)
      .where('bundle', 'is not', null)
      .orderBy('log_index')
      .limit(limit)
      .execute();
    return rows.map(toSealing);
  },
  async listUnfinished(tx, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_evidence')
      .select('id')
      .where((eb) =>
        eb.or([
          eb('bundle', 'is', null),
          eb.and([eb('oci_repository', 'is not', null), eb('attached_at', 'is', null)]),
        ]),
      )
      .orderBy('signed_at')
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map((row) => row.id);
  },
  async listAll(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('signing_evidence')
      .selectAll()
      .orderBy('id')
      .execute();
    return rows.map(toSealing);
  },

  async findTrustRoot(tx, payloadDigest) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('signing_trust_roots')
      .select('document')
      .where('payload_digest', '=', payloadDigest)
      .executeTakeFirst();
    return row?.document;
  },
  async keepTrustRoot(tx, payloadDigest, document, at) {
    const tables = tablesOf<Tables>(tx);
    await tables
      .insertInto('signing_trust_roots')
      .values({ payload_digest: payloadDigest, document, created_at: at })
      .onConflict((conflict) => conflict.column('payload_digest').doNothing())
      .execute();
    const row = await tables
      .selectFrom('signing_trust_roots')
      .select('document')
      .where('payload_digest', '=', payloadDigest)
      .executeTakeFirstOrThrow();
    return row.document;
  },
};

function toKey(row: KeyRow): SigningKey {
  return {
    hint: row.hint,
    publicKey: row.public_key,
    validFrom: row.valid_from,
    validUntil: row.valid_until ?? undefined,
  };
}

function toSealing(row: EvidenceRow): Sealing {
  return {
    id: row.id,
    key: row.key,
    subject: parseDigest(row.subject),
    subjectName: row.subject_name,
    predicateType: row.predicate_type,
    payload: row.payload,
    signature: row.signature,
    keyHint: row.key_hint,
    entryId: row.entry_id ?? undefined,
    ociRepository: row.oci_repository ?? undefined,
    signedAt: row.signed_at,
    sealed: sealedOf(row),
    attachedAt: row.attached_at ?? undefined,
  };
}

function sealedOf(row: EvidenceRow): Sealing['sealed'] {
  const { bundle, bundle_digest, log_index, sealed_at } = row;
  if (bundle === null) return undefined;
  if (bundle_digest === null || log_index === null || sealed_at === null) {
    throw new Fault(
      'integrity',
      'signing.row_torn',
      `evidence ${row.id}: expected a whole seal, got a part of one`,
    );
  }
  const digest: Digest = parseDigest(bundle_digest);
  return { bundle, bundleDigest: digest, logIndex: log_index, at: sealed_at };
}
