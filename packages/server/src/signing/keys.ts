import {
  canonicalJson,
  checkpointKeyId,
  type Digest,
  digestOf,
  equalBytes,
  Fault,
  parseTrustRoot,
  signTrustRoot,
  type TrustRoot,
  utf8,
} from '@sallyport/formats';
import type { Audit, Clock, Db, Json, Tx } from '#platform';
import type { EvidenceLog, EvidenceSigner, IdentityUris } from './evidence.ts';
import { signingStore as store } from './store.pg.ts';
import type { SigningKey } from './store.ts';

interface KeysDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ledger: Pick<EvidenceLog, 'agrees'>;
  readonly signer: () => Promise<EvidenceSigner>;
  readonly identityUris: IdentityUris;
}

/** Which keys have signed, when each began and ended, and the document that tells verifiers so. */
export function createKeys(deps: KeysDeps) {
  const { db, audit, clock, ledger, identityUris } = deps;

  /** Registers a key at its first use. A key that was replaced never signs again, also not on a replica that lags. */
  async function use(tx: Tx, signer: EvidenceSigner): Promise<void> {
    let known = await store.findKey(tx, signer.keyId);
    if (known === undefined) {
      await store.lockKeys(tx);
      known = await store.findKey(tx, signer.keyId);
    }
    if (known === undefined) {
      known = {
        hint: signer.keyId,
        publicKey: signer.publicKeySpki,
        validFrom: clock.now(),
        validUntil: undefined,
      };
      const active = (await store.listKeys(tx)).filter(({ validUntil }) => validUntil === undefined);
      await store.activateKey(tx, known);
      for (const key of active)
        await record(tx, 'signing.key.retired', { ...key, validUntil: known.validFrom });
      await record(tx, 'signing.key.activated', known);
    }
    if (!equalBytes(known.publicKey, signer.publicKeySpki)) {
      throw new Fault(
        'integrity',
        'signing.key_changed',
        `key ${signer.keyId}: expected the key first used under it`,
      );
    }
    if (known.validUntil !== undefined) {
      throw new Fault('unavailable', 'signing.key_retired', `expected the current key, got ${signer.keyId}`, {
        hint: 'the key was rotated; the next attempt uses the new one',
      });
    }
  }

  function record(tx: Tx, type: string, key: SigningKey): Promise<void> {
    return audit.record(tx, {
      type,
      actor: { kind: 'system', id: 'system' },
      resource: keyResource(key),
      state: keyState(key),
    });
  }

  /** The same document until something in it changes: ECDSA gives another signature each time, and bytes are pinned. */
  async function trustRoot(): Promise<string> {
    const signer = await deps.signer();
    const found = await db.read((tx) => readTrust(tx, signer));
    if (found.document !== undefined) return sound(found.document, found.payload);
    return db.write(async (tx) => {
      await use(tx, signer);
      const { payload, digest } = await readTrust(tx, signer);
      const document = signTrustRoot(payload, signer.keyId, (bytes) => signer.sign(bytes));
      return sound(await store.keepTrustRoot(tx, digest, document, clock.now()), payload);
    });
  }

  async function readTrust(
    tx: Tx,
    signer: EvidenceSigner,
  ): Promise<{ payload: TrustRoot; digest: Digest; document: string | undefined }> {
    const known = await store.listKeys(tx);
    // A key in this table is believed by every verifier: one that somebody else put there must not become so.
    for (const key of known) {
      if (await ledger.agrees(tx, keyResource(key), keyState(key))) continue;
      throw new Fault(
        'integrity',
        'signing.key_unrecorded',
        `expected signing key ${key.hint} to be as it was recorded, got another`,
        { hint: 'it was changed past the server: run "sally ledger verify"' },
      );
    }
    const ends: (number | undefined)[] = [];
    for (const key of known) {
      ends.push(key.validUntil === undefined ? undefined : await store.endOfKey(tx, key.hint));
    }
    const payload = trustPayload(identityUris, known, ends);
    // The signer is part of the name: a document by a key that has ended is not handed out again.
    const digest = digestOf(utf8(canonicalJson({ signer: signer.keyId, trust: describe(payload) })));
    return { payload, digest, document: await store.findTrustRoot(tx, digest) };
  }

  return { use, trustRoot };
}

/** A stored document is a copy: it must say what the keys say, and be signed by one of them. */
function sound(document: string, payload: TrustRoot): string {
  const kept = parseTrustRoot(document);
  if (canonicalJson(describe(kept)) === canonicalJson(describe(payload))) return document;
  throw new Fault(
    'integrity',
    'signing.trust_root_altered',
    'expected the stored trust root to name our keys, got one that names others',
    { hint: 'it was changed past the server: run "sally ledger verify"' },
  );
}

export const keyResource = ({ hint }: SigningKey): string => `signing-key/${hint}`;

export function keyState({ hint, publicKey, validFrom, validUntil }: SigningKey): Json {
  return {
    hint,
    publicKey: digestOf(publicKey),
    validFrom: validFrom.toISOString(),
    validUntil: validUntil?.toISOString() ?? null,
  };
}

function trustPayload(
  uris: IdentityUris,
  keys: readonly SigningKey[],
  ends: readonly (number | undefined)[],
): TrustRoot {
  const { installation, builderId, verifierId, log } = uris;
  const since = keys[0]?.validFrom ?? new Date(0);
  return {
    installation,
    builderId,
    verifierId,
    keys: keys.map((key, index) => {
      const end = ends[index];
      return {
        hint: key.hint,
        algorithm: 'PKIX_ECDSA_P256_SHA_256',
        publicKey: key.publicKey,
        validFrom: key.validFrom.toISOString(),
        ...(key.validUntil === undefined ? {} : { validUntil: key.validUntil.toISOString() }),
        // While something it signed is still on its way into the log, where the key ended is not known yet.
        ...(end === undefined ? {} : { retired: { origin: log.origin, logIndex: end } }),
      };
    }),
    logs: [
      {
        origin: log.origin,
        baseUrl: log.baseUrl,
        keyId: checkpointKeyId(log.origin, log.publicKeySpki),
        publicKey: log.publicKeySpki,
        validFrom: since.toISOString(),
      },
    ],
  };
}

/** Names a payload by what it says; bytes as digests, so that it can be written as JSON. */
function describe(payload: TrustRoot): Json {
  return {
    installation: payload.installation,
    builderId: payload.builderId,
    verifierId: payload.verifierId,
    keys: payload.keys.map((key) => ({
      hint: key.hint,
      publicKey: digestOf(key.publicKey),
      validUntil: key.validUntil ?? null,
      end: key.retired?.logIndex ?? null,
    })),
    logs: payload.logs.map((log) => ({
      origin: log.origin,
      baseUrl: log.baseUrl,
      publicKey: digestOf(log.publicKey),
    })),
  };
}
