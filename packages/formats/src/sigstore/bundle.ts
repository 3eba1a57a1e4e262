import { toBase64 } from '../bytes/encodings.ts';
import { type Envelope, envelopeJson, envelopeShape } from '../dsse/envelope.ts';
import { Fault } from '../fault.ts';
import { canonicalJson, parseCanonicalJson } from '../json/canonical.ts';
import { base64, closed, decimal, list, oneOf, type Shape, text } from '../json/shape.ts';
import { hashedRekordOf } from './hashedrekord.ts';

export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** That an entry is in a log: what the ledger gives and the bundle carries. */
export interface BundleLogProof {
  readonly leafIndex: number;
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: string;
}

/** A Sigstore bundle v0.3 as we make it: DSSE, key hint, one log entry with inclusion proof. */
export interface Bundle {
  readonly envelope: Envelope;
  readonly logKeyId: Uint8Array;
  readonly logProof: BundleLogProof;
  /** The leaf as the bundle states it; the verifier rebuilds it from the envelope. */
  readonly canonicalizedBody: Uint8Array;
}

export interface BundleParts {
  readonly envelope: Envelope;
  readonly keyHint: string;
  /** SubjectPublicKeyInfo of the signing key. */
  readonly spki: Uint8Array;
  readonly logProof: BundleLogProof;
  /** All 32 bytes of `checkpointKeyId`. */
  readonly logKeyId: Uint8Array;
}

/** The canonical JSON text of a bundle. */
export function makeBundle({ envelope, keyHint, spki, logProof, logKeyId }: BundleParts): string {
  if (keyHint !== envelope.keyHint) {
    throw new Fault(
      'invalid',
      'formats.bundle_key_hint',
      `expected the key hint of the envelope, ${JSON.stringify(envelope.keyHint)}, got ${JSON.stringify(keyHint)}`,
    );
  }
  return canonicalJson({
    mediaType: bundleMediaType,
    verificationMaterial: {
      publicKey: { hint: keyHint },
      tlogEntries: [
        {
          logIndex: String(logProof.leafIndex),
          logId: { keyId: toBase64(logKeyId) },
          kindVersion: { kind: 'hashedrekord', version: '0.0.2' },
          inclusionProof: {
            logIndex: String(logProof.leafIndex),
            rootHash: toBase64(logProof.rootHash),
            treeSize: String(logProof.treeSize),
            hashes: logProof.hashes.map(toBase64),
            checkpoint: { envelope: logProof.checkpoint },
          },
          canonicalizedBody: toBase64(hashedRekordOf(envelope, spki)),
        },
      ],
    },
    dsseEnvelope: envelopeJson(envelope),
  });
}

interface InclusionJson {
  readonly logIndex: number;
  readonly rootHash: Uint8Array;
  readonly treeSize: number;
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: { readonly envelope: string };
}

interface EntryJson {
  readonly logIndex: number;
  readonly logId: { readonly keyId: Uint8Array };
  readonly kindVersion: { readonly kind: string; readonly version: string };
  readonly inclusionProof: InclusionJson;
  readonly canonicalizedBody: Uint8Array;
}

interface BundleJson {
  readonly mediaType: string;
  readonly verificationMaterial: {
    readonly publicKey: { readonly hint: string };
    readonly tlogEntries: readonly EntryJson[];
  };
  readonly dsseEnvelope: Envelope;
}

const inclusionShape = closed<InclusionJson>(
  {
    logIndex: decimal,
    rootHash: base64(32, 32),
    treeSize: decimal,
    hashes: list(base64(32, 32), 64),
    checkpoint: closed<{ readonly envelope: string }>({ envelope: text(10_000) }, {}),
  },
  {},
);

const entryShape = closed<EntryJson>(
  {
    logIndex: decimal,
    logId: closed<{ readonly keyId: Uint8Array }>({ keyId: base64(32, 32) }, {}),
    kindVersion: closed<EntryJson['kindVersion']>(
      { kind: oneOf('hashedrekord'), version: oneOf('0.0.2') },
      {},
    ),
    inclusionProof: inclusionShape,
    canonicalizedBody: base64(4096),
  },
  {},
);

const bundleShape: Shape<BundleJson> = closed<BundleJson>(
  {
    mediaType: oneOf(bundleMediaType),
    verificationMaterial: closed<BundleJson['verificationMaterial']>(
      {
        publicKey: closed<{ readonly hint: string }>({ hint: text(200) }, {}),
        tlogEntries: list(entryShape, 1, 1),
      },
      {},
    ),
    dsseEnvelope: envelopeShape,
  },
  {},
);

/**
 * Reads a bundle that `makeBundle` could have written: canonical, closed, both key hints and both log indexes equal.
 * Says nothing of whether it is genuine: use `verifyBundle`.
 */
export function parseBundle(json: string): Bundle {
  const { verificationMaterial, dsseEnvelope } = bundleShape(parseCanonicalJson(json), 'bundle');
  const [entry] = verificationMaterial.tlogEntries;
  if (entry === undefined) throw new Fault('internal', 'formats.bundle', 'a list of one item was empty');
  const { inclusionProof } = entry;
  if (verificationMaterial.publicKey.hint !== dsseEnvelope.keyHint) throw differs('key hints');
  if (entry.logIndex !== inclusionProof.logIndex) throw differs('log indexes');
  return {
    envelope: dsseEnvelope,
    logKeyId: entry.logId.keyId,
    logProof: {
      leafIndex: entry.logIndex,
      treeSize: inclusionProof.treeSize,
      rootHash: inclusionProof.rootHash,
      hashes: inclusionProof.hashes,
      checkpoint: inclusionProof.checkpoint.envelope,
    },
    canonicalizedBody: entry.canonicalizedBody,
  };
}

function differs(what: string): Fault {
  return new Fault(
    'invalid',
    'formats.bundle',
    `expected the two ${what} of the bundle to be equal, got different ones`,
  );
}
