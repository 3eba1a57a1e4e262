import {
  checkpointKeyId,
  digestOf,
  equalBytes,
  Fault,
  fromUtf8,
  hashedRekordOf,
  inTotoPayloadType,
  isFault,
  makeBundle,
  parseStatement,
  parseTrustRoot,
  signEnvelope,
  statementBytes,
  utf8,
  verifyBundle,
} from '@sallyport/formats';
import type { Audit, AuditedTable, Clock, Db, Ids, Json, Tx } from '#platform';
import type {
  AttachReferrer,
  Evidence,
  EvidenceLog,
  EvidenceSigner,
  IdentityUris,
  SealRequest,
  Signing,
} from './evidence.ts';
import { createKeys, keyResource, keyState } from './keys.ts';
import { revocationsAudited } from './revocation/revocations.ts';
import { signingStore as store } from './store.pg.ts';
import type { Sealing } from './store.ts';

export interface SigningDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly ledger: EvidenceLog;
  /** Asked at every seal, so that a rotated key is used from then on. */
  readonly signer: () => Promise<EvidenceSigner>;
  readonly attach: AttachReferrer;
  readonly identityUris: IdentityUris;
}

const maxListed = 10_000;

/**
 * The journal of a seal, one arrow per transaction, so that a crash leaves one of these states and nothing between:
 *
 *   (nothing) → signed: signature, row and leaf → sealed: proof and bundle → attached
 */
export function createSigning(deps: SigningDeps): Signing {
  const { db, audit, clock, ids, ledger, attach, identityUris } = deps;
  const keys = createKeys(deps);

  async function sign(request: SealRequest): Promise<Sealing> {
    const payload = statementBytes(request);
    const signer = await deps.signer();
    // Only from here on does a signature exist; it leaves the process after the commit that stores it and its leaf.
    return db.write(async (tx) => {
      await keys.use(tx, signer);
      const envelope = signEnvelope(
        { payloadType: inTotoPayloadType, payload, keyHint: signer.keyId },
        (bytes) => signer.sign(bytes),
        signer.publicKeySpki,
      );
      const sealing: Sealing = {
        id: ids.next('evd'),
        key: request.key,
        subject: request.subject.digest,
        subjectName: request.subject.name,
        predicateType: request.predicateType,
        payload,
        signature: envelope.signature,
        keyHint: signer.keyId,
        entryId: undefined,
        ociRepository: request.ociRepository,
        signedAt: clock.now(),
        sealed: undefined,
        attachedAt: undefined,
      };
      if (!(await store.insert(tx, sealing))) {
        const existing = await store.findByKey(tx, request.key);
        if (existing === undefined) {
          throw new Fault(
            'unavailable',
            'signing.contended',
            `evidence ${request.key} is being written by another`,
          );
        }
        return existing;
      }
      const entryId = await ledger.appendEvidence(tx, hashedRekordOf(envelope, signer.publicKeySpki));
      await store.setEntry(tx, sealing.id, entryId);
      await record(tx, 'signing.evidence.signed', sealing);
      return { ...sealing, entryId };
    });
  }

  function record(tx: Tx, type: string, sealing: Sealing): Promise<void> {
    return audit.record(tx, {
      type,
      actor: { kind: 'system', id: 'system' },
      resource: `evidence/${sealing.id}`,
      state: auditedState(sealing),
      detail: { subject: sealing.subject, predicateType: sealing.predicateType, key: sealing.key },
    });
  }

  async function finish(started: Sealing): Promise<Evidence> {
    const sealing = started.sealed === undefined ? await prove(started) : started;
    if (sealing.ociRepository !== undefined && sealing.attachedAt === undefined) {
      const { sealed } = sealing;
      if (sealed === undefined) throw torn(sealing);
      // A crash after the attach and before the next line attaches the same bytes once more: content-addressed.
      await attach(sealing.ociRepository, sealing.subject, sealing.predicateType, sealed.bundle);
      await db.write((tx) => store.setAttached(tx, sealing.id, clock.now()));
    }
    return toEvidence(sealing);
  }

  /** Waits for the log, makes the bundle and checks it as any stranger would before it is kept. */
  async function prove(sealing: Sealing): Promise<Sealing> {
    if (sealing.entryId === undefined) throw torn(sealing);
    const logProof = await ledger.proofFor(sealing.entryId);
    const key = await db.read((tx) => store.findKey(tx, sealing.keyHint));
    if (key === undefined) throw torn(sealing);
    const bundle = makeBundle({
      envelope: {
        payloadType: inTotoPayloadType,
        payload: sealing.payload,
        keyHint: sealing.keyHint,
        signature: sealing.signature,
      },
      keyHint: sealing.keyHint,
      spki: key.publicKey,
      logProof,
      logKeyId: logKeyId(),
    });
    const trust = parseTrustRoot(await keys.trustRoot());
    verifyBundle(bundle, trust, {
      expectSubject: sealing.subject,
      expectPredicateType: sealing.predicateType,
    });
    return db.write(async (tx) => {
      const current = await store.getForUpdate(tx, sealing.id);
      // Another replica may have come first, with a proof against another tree size. The first bundle stays.
      if (current.sealed !== undefined) return current;
      const sealed = {
        bundle,
        bundleDigest: digestOf(utf8(bundle)),
        logIndex: logProof.leafIndex,
        at: clock.now(),
      };
      await store.setSealed(tx, sealing.id, sealed);
      await record(tx, 'signing.evidence.sealed', { ...current, sealed });
      return { ...current, sealed };
    });
  }

  function logKeyId(): Uint8Array {
    return checkpointKeyId(identityUris.log.origin, identityUris.log.publicKeySpki);
  }

  return {
    identityUris,
    seal: async (request) => {
      const existing = await db.read((tx) => store.findByKey(tx, request.key));
      const sealing = existing ?? (await sign(request));
      assertSame(sealing, request);
      return finish(sealing);
    },
    find: async (key) => {
      const sealing = await db.read((tx) => store.findByKey(tx, key));
      return sealing && finish(sealing);
    },
    list: async (subject) => {
      const sealings = await db.read((tx) => store.listSealed(tx, subject, maxListed + 1));
      if (sealings.length > maxListed) {
        throw new Fault(
          'exhausted',
          'signing.too_much',
          `expected at most ${maxListed} statements about ${subject}`,
        );
      }
      return sealings.map(toEvidence);
    },
    trustRoot: keys.trustRoot,
    resume: async () => {
      const unfinished = await db.read((tx) => store.listUnfinished(tx, 1000));
      let finished = 0;
      let failure: unknown;
      for (const id of unfinished) {
        try {
          await finish(await db.write((tx) => store.getForUpdate(tx, id)));
          finished += 1;
        } catch (error) {
          if (isFault(error) && error.kind === 'integrity') throw error;
          failure ??= error;
        }
      }
      if (failure !== undefined) throw failure;
      return finished;
    },
  };
}

/** Evidence rows as the ledger last heard of them; what changes outside (the attachment) is no part of it. */
export function signingAudited(): AuditedTable[] {
  return [
    {
      kind: 'evidence',
      states: async (tx) => {
        const rows = await store.listAll(tx);
        return rows.map((row) => [`evidence/${row.id}`, auditedState(row)] as const);
      },
    },
    {
      kind: 'signing-key',
      states: async (tx) =>
        (await store.listKeys(tx)).map((key) => [keyResource(key), keyState(key)] as const),
    },
    revocationsAudited(),
  ];
}

function auditedState(sealing: Sealing): Json {
  return {
    key: sealing.key,
    subject: sealing.subject,
    predicateType: sealing.predicateType,
    statement: digestOf(sealing.payload),
    signature: digestOf(sealing.signature),
    keyHint: sealing.keyHint,
    ociRepository: sealing.ociRepository ?? null,
    bundle: sealing.sealed?.bundleDigest ?? null,
    // Of the text itself, so that a changed bundle shows even when its digest column was changed along.
    bundleText: sealing.sealed === undefined ? null : digestOf(utf8(sealing.sealed.bundle)),
    logIndex: sealing.sealed?.logIndex ?? null,
  };
}

function assertSame(sealing: Sealing, request: SealRequest): void {
  if (equalBytes(sealing.payload, statementBytes(request))) return;
  throw new Fault('conflict', 'signing.key_reused', `evidence ${request.key} exists with another content`, {
    hint: 'a key names one statement for ever; give another key to another statement',
    details: { existing: fromUtf8(sealing.payload).slice(0, 500) },
  });
}

function torn(sealing: Sealing): Fault {
  return new Fault(
    'integrity',
    'signing.row_torn',
    `evidence ${sealing.id}: expected a whole row, got a part of one`,
  );
}

function toEvidence(sealing: Sealing): Evidence {
  if (sealing.sealed === undefined) throw torn(sealing);
  return {
    id: sealing.id,
    key: sealing.key,
    subject: sealing.subject,
    predicateType: sealing.predicateType,
    predicate: parseStatement(sealing.payload).predicate,
    bundle: sealing.sealed.bundle,
    bundleDigest: sealing.sealed.bundleDigest,
    sealedAt: sealing.sealed.at,
    logIndex: sealing.sealed.logIndex,
  };
}
