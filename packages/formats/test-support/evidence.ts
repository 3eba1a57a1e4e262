import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  type BundleLogProof,
  checkpointKeyId,
  digestOf,
  type Envelope,
  hashedRekordOf,
  inclusionPath,
  inTotoPayloadType,
  leafHash,
  makeBundle,
  proofHashes,
  rootFromLeaves,
  type Statement,
  signCheckpoint,
  signEnvelope,
  signTrustRoot,
  statementBytes,
  type TrustedKey,
  type TrustRoot,
  utf8,
} from '../src/index.ts';

/** A key pair as a signer has it: the public half in SPKI form and a function that signs. */
export interface TestKey {
  readonly spki: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

export function p256Key(): TestKey {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    spki: spkiOf(pair.publicKey),
    sign: (bytes) => new Uint8Array(sign('sha256', bytes, pair.privateKey)),
  };
}

export function ed25519Key(): TestKey {
  const pair = generateKeyPairSync('ed25519');
  return {
    spki: spkiOf(pair.publicKey),
    sign: (bytes) => new Uint8Array(sign(null, bytes, pair.privateKey)),
  };
}

function spkiOf(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ format: 'der', type: 'spki' }));
}

export interface TestInstallation {
  readonly evidenceKey: TestKey;
  readonly logKey: TestKey;
  readonly trustRoot: TrustRoot;
  readonly trustRootText: string;
  /** Seals all statements into one log, between other entries, and gives their bundles. */
  seal(...statements: readonly Statement<object>[]): readonly string[];
  /** Logs envelopes as they are, whoever signed them: what somebody with the log but without the evidence key can do. */
  log(...envelopes: readonly Envelope[]): readonly string[];
}

export const origin = 'ledger.example.test';
export const keyHint = 'evidence-1';

/** A whole installation in memory: a signer, a log, a trust root. */
export function testInstallation(keyOptions: Partial<TrustedKey> = {}): TestInstallation {
  const evidenceKey = p256Key();
  const logKey = ed25519Key();
  const logKeyId = checkpointKeyId(origin, logKey.spki);
  const trustRoot: TrustRoot = {
    installation: 'example',
    builderId: 'https://sallyport.example.test/builder',
    verifierId: 'https://sallyport.example.test/verifier',
    keys: [
      {
        hint: keyHint,
        algorithm: 'PKIX_ECDSA_P256_SHA_256',
        publicKey: evidenceKey.spki,
        validFrom: '2026-01-01T00:00:00Z',
        ...keyOptions,
      },
    ],
    logs: [
      {
        origin,
        baseUrl: `https://${origin}`,
        keyId: logKeyId,
        publicKey: logKey.spki,
        validFrom: '2026-01-01T00:00:00Z',
      },
    ],
  };
  const proofAt = (leaves: readonly Uint8Array[], leafIndex: number): BundleLogProof => {
    const hashes = leaves.map(leafHash);
    const rootHash = rootFromLeaves(hashes);
    const nodeAt = (level: number, index: number) =>
      rootFromLeaves(hashes.slice(index * 2 ** level, (index + 1) * 2 ** level));
    return {
      leafIndex,
      treeSize: leaves.length,
      rootHash,
      hashes: proofHashes(inclusionPath(leafIndex, leaves.length), nodeAt),
      checkpoint: signCheckpoint(
        { origin, treeSize: leaves.length, rootHash },
        origin,
        logKey.sign,
        logKey.spki,
      ),
    };
  };
  const log = (...envelopes: readonly Envelope[]) => {
    const bodies = envelopes.map((envelope) => hashedRekordOf(envelope, evidenceKey.spki));
    const leaves = [utf8('{"before":1}'), utf8('{"before":2}'), ...bodies, utf8('{"after":1}')];
    return envelopes.map((envelope, i) =>
      makeBundle({
        envelope,
        keyHint: envelope.keyHint,
        spki: evidenceKey.spki,
        logProof: proofAt(leaves, i + 2),
        logKeyId,
      }),
    );
  };
  return {
    evidenceKey,
    logKey,
    trustRoot,
    trustRootText: signTrustRoot(trustRoot, keyHint, evidenceKey.sign),
    log,
    seal: (...statements) =>
      log(
        ...statements.map((statement) =>
          signEnvelope(
            { payloadType: inTotoPayloadType, payload: statementBytes(statement), keyHint },
            evidenceKey.sign,
            evidenceKey.spki,
          ),
        ),
      ),
  };
}

export function testStatement(predicateType = 'https://example.test/predicate/v1'): Statement {
  return {
    subject: { name: 'app', digest: digestOf(utf8('the artifact')) },
    predicateType,
    predicate: { ok: true },
  };
}
