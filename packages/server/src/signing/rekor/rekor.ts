import {
  checkpointKeyId,
  Fault,
  parseCheckpoint,
  parseTrustRoot,
  sha256,
  toBase64,
  toHex,
  verifyP256,
} from '@sallyport/formats';
import type { Actor, Clock, Db, Tx } from '#platform';
import type { EvidenceLog } from '../evidence.ts';
import type { TrustMaterial } from '../trust/trust.ts';
import type { Admission } from './admission.ts';
import { createBatches } from './batches.ts';
import type { LogEntry } from './entry.ts';
import { createProfileV1, type ProfileV1, type PromiseSigner } from './promised-profile.ts';
import { rekorStore as store } from './store.pg.ts';
import type { StoredPromise } from './store.ts';

/** What the log's APIs need of the ledger. */
export interface RekorLog extends Pick<EvidenceLog, 'proofFor'> {
  appendAllEvidence(
    tx: Tx,
    bodies: readonly Uint8Array[],
  ): Promise<readonly { readonly entryId: string; readonly fresh: boolean }[]>;
  findEntry(
    where: string | number,
  ): Promise<{ readonly entryId: string; readonly leafIndex: number; readonly body: Uint8Array } | undefined>;
  checkpoint(): Promise<string>;
  tile(level: number, index: number, width: number): Promise<Uint8Array | undefined>;
  entryBundle(index: number, width: number): Promise<Uint8Array | undefined>;
  consistencyProof(first: number, second: number): Promise<readonly Uint8Array[]>;
}

export interface RekorDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly ledger: RekorLog;
  readonly admission: Admission;
  /** Origin and Ed25519 key of the ledger. */
  readonly log: {
    readonly origin: string;
    readonly publicKeySpki: Uint8Array;
    /** Where clients reach this server. */
    readonly baseUrl: string;
  };
  /** Our own signed document, which says since when the log is believed. */
  readonly trustRoot: () => Promise<string>;
  /** Key of the first API's profile. */
  readonly signer: PromiseSigner;
}

/** An entry as the second API answers it: `TransparencyLogEntry` in protobuf's JSON. */
export interface TransparencyLogEntry {
  readonly logIndex: string;
  readonly logId: { readonly keyId: string };
  readonly kindVersion: { readonly kind: string; readonly version: string };
  readonly integratedTime: '0';
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly rootHash: string;
    readonly treeSize: string;
    readonly hashes: readonly string[];
    readonly checkpoint: { readonly envelope: string };
  };
  readonly canonicalizedBody: string;
}

/** An entry as the first API answers it, under its uuid. */
export interface LogEntryV1 {
  readonly uuid: string;
  readonly entry: {
    readonly body: string;
    readonly integratedTime: number;
    readonly logID: string;
    readonly logIndex: number;
    readonly verification: {
      readonly inclusionProof: {
        readonly checkpoint: string;
        readonly hashes: readonly string[];
        readonly logIndex: number;
        readonly rootHash: string;
        readonly treeSize: number;
      };
      readonly signedEntryTimestamp: string;
    };
  };
}

export interface Rekor {
  readonly ledger: RekorLog;
  readonly profile: ProfileV1;
  /** Logs an entry and waits for its proof. Throws `rekor.duplicate` when the log has it already. */
  addV2(actor: Actor, entry: LogEntry): Promise<TransparencyLogEntry>;
  addV1(actor: Actor, entry: LogEntry): Promise<LogEntryV1>;
  /** An entry that came by the first API, by uuid, leaf hash or index; nothing else is shown. */
  findV1(where: string | number): Promise<LogEntryV1 | undefined>;
  /** What Sigstore's clients have to know: the first profile's key, and where both APIs are. */
  material(): Promise<TrustMaterial>;
  /** The newest checkpoint of the first profile. */
  headV1(): Promise<{ readonly note: string; readonly treeSize: number; readonly rootHash: Uint8Array }>;
}

type Proof = Awaited<ReturnType<RekorLog['proofFor']>>;

/** As many as the ledger gives places to at once. */
const batchSize = 512;
const maxWaiting = 8192;

/**
 * The ledger as Sigstore's clients write to it: the second API under the ledger's own key and checkpoint, the first one
 * as another profile of the same tree, with promises. Both answer after the entry has a proof.
 */
export function createRekor(deps: RekorDeps): Rekor {
  const { db, clock, ledger, admission, log, signer } = deps;
  const profile = createProfileV1(log.origin, signer);
  const logId = toBase64(checkpointKeyId(log.origin, log.publicKeySpki));
  const appends = createBatches(batchSize, maxWaiting, (bodies: readonly Uint8Array[]) =>
    db.write((tx) => ledger.appendAllEvidence(tx, bodies)),
  );
  const promises = createBatches(batchSize, maxWaiting, keepPromises);

  let since: Promise<string> | undefined;

  /** RFC 3339, in whole seconds as promises are. Fixed before the first entry is taken, so that none is older than the log's own period. */
  function validFrom(): Promise<string> {
    since ??= deps.trustRoot().then(
      (document) => {
        const start = parseTrustRoot(document).logs.find(({ origin }) => origin === log.origin)?.validFrom;
        if (start !== undefined) return `${start.slice(0, 19)}.000Z`;
        throw new Fault('internal', 'rekor.no_log', 'expected the trust root to name this log, got others');
      },
      (error: unknown) => {
        since = undefined;
        throw error;
      },
    );
    return since;
  }

  async function add(actor: Actor, entry: LogEntry): Promise<{ entryId: string; proof: Proof }> {
    await admission.admit(actor, entry.key);
    await validFrom();
    const { entryId, fresh } = await appends.add(entry.body);
    const proof = await ledger.proofFor(entryId);
    if (fresh) return { entryId, proof };
    const uuid = profile.uuid(entryId);
    throw new Fault(
      'conflict',
      'rekor.duplicate',
      `an equivalent entry already exists in the transparency log with UUID ${uuid}`,
      { details: { uuid, logIndex: proof.leafIndex } },
    );
  }

  async function keepPromises(made: readonly StoredPromise[]): Promise<readonly StoredPromise[]> {
    const kept = new Map(
      (await db.write((tx) => store.keep(tx, made))).map((promise) => [promise.entryId, promise]),
    );
    return made.map((promise) => kept.get(promise.entryId) ?? promise);
  }

  /**
   * The time is that of the signature, after the entry has its place: nobody who can write to the database can make it
   * earlier, and the first one stays, so that an entry has one time.
   */
  async function promiseOf(entryId: string, body: Uint8Array, leafIndex: number): Promise<StoredPromise> {
    const known = await db.read((tx) => store.find(tx, entryId));
    if (known !== undefined) return checked(known, body, leafIndex);
    return checked(await promises.add(promise(entryId, body, leafIndex)), body, leafIndex);
  }

  function promise(entryId: string, body: Uint8Array, leafIndex: number): StoredPromise {
    const integratedTime = Math.floor(clock.now().getTime() / 1000);
    return {
      entryId,
      integratedTime,
      signature: signer.sign(profile.promised(body, leafIndex, integratedTime)),
    };
  }

  function checked(kept: StoredPromise, body: Uint8Array, leafIndex: number): StoredPromise {
    const message = profile.promised(body, leafIndex, kept.integratedTime);
    if (verifyP256(signer.publicKeySpki, message, kept.signature)) return kept;
    throw new Fault(
      'integrity',
      'rekor.promise_changed',
      `expected the promise of entry ${kept.entryId} as this log signed it, got another`,
      { hint: 'the database was changed past the server: run "sally ledger verify"' },
    );
  }

  function viewV1(body: Uint8Array, proof: Proof, kept: StoredPromise): LogEntryV1 {
    const { leafIndex, treeSize, rootHash } = proof;
    return {
      uuid: profile.uuid(kept.entryId),
      entry: {
        body: toBase64(body),
        integratedTime: kept.integratedTime,
        logID: profile.logId,
        logIndex: leafIndex,
        verification: {
          inclusionProof: {
            checkpoint: profile.note({ origin: log.origin, treeSize, rootHash }),
            hashes: proof.hashes.map(toHex),
            logIndex: leafIndex,
            rootHash: toHex(rootHash),
            treeSize,
          },
          signedEntryTimestamp: toBase64(kept.signature),
        },
      },
    };
  }

  return {
    ledger,
    profile,
    async addV2(actor, entry) {
      const { proof } = await add(actor, entry);
      const logIndex = String(proof.leafIndex);
      return {
        logIndex,
        logId: { keyId: logId },
        kindVersion: { kind: entry.kind, version: entry.version },
        integratedTime: '0',
        inclusionProof: {
          logIndex,
          rootHash: toBase64(proof.rootHash),
          treeSize: String(proof.treeSize),
          hashes: proof.hashes.map(toBase64),
          checkpoint: { envelope: proof.checkpoint },
        },
        canonicalizedBody: toBase64(entry.body),
      };
    },
    async addV1(actor, entry) {
      const { entryId, proof } = await add(actor, entry);
      const kept = await promises.add(promise(entryId, entry.body, proof.leafIndex));
      return viewV1(entry.body, proof, checked(kept, entry.body, proof.leafIndex));
    },
    async findV1(where) {
      const key = typeof where === 'string' ? profile.entryId(where) : where;
      const found = key === undefined ? undefined : await ledger.findEntry(key);
      if (found === undefined || !isV1(found.body)) return undefined;
      const kept = await promiseOf(found.entryId, found.body, found.leafIndex);
      return viewV1(found.body, await ledger.proofFor(found.entryId), kept);
    },
    async material() {
      const validFor = { start: await validFrom() };
      const url = log.baseUrl;
      return {
        trust: {
          tlogs: [
            {
              baseUrl: `https://${log.origin}`,
              publicKey: signer.publicKeySpki,
              keyDetails: 'PKIX_ECDSA_P256_SHA_256',
              keyId: sha256(signer.publicKeySpki),
              validFor,
            },
          ],
        },
        services: {
          rekorTlogUrls: [
            { url, majorApiVersion: 2, validFor },
            { url, majorApiVersion: 1, validFor },
          ],
        },
      };
    },
    async headV1() {
      const { origin, treeSize, rootHash } = parseCheckpoint(await ledger.checkpoint());
      return { note: profile.note({ origin, treeSize, rootHash }), treeSize, rootHash };
    },
  };
}

/** Canonical JSON sorts its keys: an entry of the first API begins so, and no event or other evidence does. */
function isV1(body: Uint8Array): boolean {
  return Buffer.from(body.subarray(0, 22)).toString('latin1') === '{"apiVersion":"0.0.1",';
}
