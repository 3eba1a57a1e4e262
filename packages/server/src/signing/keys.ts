import {
  canonicalJson,
  checkpointKeyId,
  type Digest,
  digestOf,
  equalBytes,
  Fault,
  signTrustRoot,
  type TrustRoot,
  utf8,
} from '@sallyport/formats';
import type { Audit, Clock, Db, Json, Tx } from '#platform';
import type { EvidenceSigner, IdentityUris } from './evidence.ts';
import { signingStore as store } from './store.pg.ts';
import type { SigningKey } from './store.ts';

interface KeysDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly signer: () => Promise<EvidenceSigner>;
  readonly identityUris: IdentityUris;
}

/** Which keys have signed, when each began and ended, and the document that tells verifiers so. */
export function createKeys(deps: KeysDeps) {
  const { db, audit, clock, identityUris } = deps;

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
      await store.activateKey(tx, known);
      await audit.record(tx, {
        type: 'signing.key.activated',
        actor: { kind: 'system', id: 'system' },
        resource: `signing-key/${known.hint}`,
        detail: { publicKeyDigest: digestOf(known.publicKey) },
      });
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

  /** The same document until something in it changes: ECDSA gives another signature each time, and bytes are pinned. */
  async function trustRoot(): Promise<string> {
    const signer = await deps.signer();
    const found = await db.read((tx) => readTrust(tx, signer));
    if (found.document !== undefined) return found.document;
    return db.write(async (tx) => {
      await use(tx, signer);
      const { payload, digest } = await readTrust(tx, signer);
      const document = signTrustRoot(payload, signer.keyId, (bytes) => signer.sign(bytes));
      return store.keepTrustRoot(tx, digest, document, clock.now());
    });
  }

  async function readTrust(
    tx: Tx,
    signer: EvidenceSigner,
  ): Promise<{ payload: TrustRoot; digest: Digest; document: string | undefined }> {
    const known = await store.listKeys(tx);
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
