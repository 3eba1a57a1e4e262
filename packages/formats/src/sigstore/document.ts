import { Fault } from '../fault.ts';
import { list, oneOf, type Shape, text } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import { bytes, int64, message } from './protobuf-json.ts';

/** A Sigstore bundle of any version that is in use, as it stands; nothing of it is believed yet. */
export interface SigstoreBundle {
  readonly version: '0.1' | '0.2' | '0.3';
  readonly material: BundleMaterial;
  readonly entries: readonly LogEntry[];
  /** TimeStampResp of RFC 3161. */
  readonly timestamps: readonly Uint8Array[];
  readonly content: BundleContent;
}

export type BundleMaterial =
  | { readonly kind: 'certificate'; readonly certificate: Uint8Array; readonly others: readonly Uint8Array[] }
  | { readonly kind: 'key'; readonly hint: string };

export type BundleContent =
  | {
      readonly kind: 'message';
      readonly signature: Uint8Array;
      readonly digest?: { readonly algorithm: DigestAlgorithm; readonly digest: Uint8Array };
    }
  | {
      readonly kind: 'envelope';
      readonly signature: Uint8Array;
      readonly payloadType: string;
      readonly payload: Uint8Array;
      readonly keyId: string;
    };

const digestAlgorithms = ['SHA2_256', 'SHA2_384', 'SHA2_512'] as const;
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

export interface LogEntry {
  readonly logIndex: number;
  readonly logId: Uint8Array;
  readonly kind: string;
  readonly version: string;
  /** Seconds since 1970; 0 when the log gives no time. */
  readonly integratedTime: number;
  readonly promise?: Uint8Array;
  readonly proof?: EntryProof;
  readonly body: Uint8Array;
}

export interface EntryProof {
  readonly logIndex: number;
  readonly rootHash: Uint8Array;
  readonly treeSize: number;
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint?: string;
}

const versions = {
  'application/vnd.dev.sigstore.bundle+json;version=0.1': '0.1',
  'application/vnd.dev.sigstore.bundle+json;version=0.2': '0.2',
  'application/vnd.dev.sigstore.bundle+json;version=0.3': '0.3',
  'application/vnd.dev.sigstore.bundle.v0.3+json': '0.3',
} as const;
type MediaType = keyof typeof versions;
// The keys of a constant object with no others.
const mediaTypes = Object.keys(versions) as readonly MediaType[];

const maxDocumentBytes = 16 * 1024 * 1024;
const maxPayloadBytes = 8 * 1024 * 1024;
const maxCertificateBytes = 32_768;
const maxSignatureBytes = 2048;

type Raw<T extends string> = { readonly [K in T]: Uint8Array };
const certificateShape = message<Raw<'rawBytes'>>({ rawBytes: bytes(maxCertificateBytes) });

interface ProofJson {
  readonly rootHash: Uint8Array;
  readonly treeSize: number;
}
interface ProofOptions {
  readonly logIndex: number;
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: { readonly envelope: string };
}

const proofShape = message<ProofJson, ProofOptions>(
  { rootHash: bytes(32), treeSize: int64 },
  {
    logIndex: int64,
    hashes: list(bytes(32), 64),
    checkpoint: message<ProofOptions['checkpoint']>({ envelope: text(65_536) }),
  },
);

interface EntryJson {
  readonly logId: Raw<'keyId'>;
  readonly kindVersion: { readonly kind: string; readonly version: string };
  readonly canonicalizedBody: Uint8Array;
}
interface EntryOptions {
  readonly logIndex: number;
  readonly integratedTime: number;
  readonly inclusionPromise: Raw<'signedEntryTimestamp'>;
  readonly inclusionProof: ProofJson & Partial<ProofOptions>;
}

const entryShape: Shape<LogEntry> = (value, at) => {
  const read = message<EntryJson, EntryOptions>(
    {
      logId: message<Raw<'keyId'>>({ keyId: bytes(32) }),
      kindVersion: message<EntryJson['kindVersion']>({ kind: text(40), version: text(20) }),
      canonicalizedBody: bytes(maxDocumentBytes),
    },
    {
      // ProtoJSON leaves out what is zero: the first entry of a log has no index.
      logIndex: int64,
      integratedTime: int64,
      inclusionPromise: message<Raw<'signedEntryTimestamp'>>({
        signedEntryTimestamp: bytes(maxSignatureBytes),
      }),
      inclusionProof: proofShape,
    },
  )(value, at);
  const { inclusionPromise: promise, inclusionProof: proof } = read;
  return {
    logIndex: read.logIndex ?? 0,
    logId: read.logId.keyId,
    ...read.kindVersion,
    integratedTime: read.integratedTime ?? 0,
    body: read.canonicalizedBody,
    ...(promise === undefined ? {} : { promise: promise.signedEntryTimestamp }),
    ...(proof === undefined ? {} : { proof: readProof(proof) }),
  };
};

function readProof({
  rootHash,
  treeSize,
  logIndex,
  hashes,
  checkpoint,
}: ProofJson & Partial<ProofOptions>): EntryProof {
  return {
    rootHash,
    treeSize,
    logIndex: logIndex ?? 0,
    hashes: hashes ?? [],
    ...(checkpoint === undefined ? {} : { checkpoint: checkpoint.envelope }),
  };
}

interface MaterialJson {
  readonly certificate: Raw<'rawBytes'>;
  readonly x509CertificateChain: { readonly certificates: readonly Raw<'rawBytes'>[] };
  readonly publicKey: { readonly hint?: string };
  readonly tlogEntries: readonly LogEntry[];
  readonly timestampVerificationData: { readonly rfc3161Timestamps?: readonly Raw<'signedTimestamp'>[] };
}

const none = {} as Record<never, never>;
const materialShape = message<typeof none, MaterialJson>(none, {
  certificate: certificateShape,
  x509CertificateChain: message<MaterialJson['x509CertificateChain']>({
    certificates: list(certificateShape, 10, 1),
  }),
  publicKey: message<typeof none, { hint: string }>(none, { hint: text(500) }),
  tlogEntries: list(entryShape, 8),
  timestampVerificationData: message<typeof none, { rfc3161Timestamps: readonly Raw<'signedTimestamp'>[] }>(
    none,
    {
      rfc3161Timestamps: list(message<Raw<'signedTimestamp'>>({ signedTimestamp: bytes(65_536) }), 8),
    },
  ),
});

const messageShape: Shape<BundleContent> = (value, at) => {
  const { signature, messageDigest } = message<
    Raw<'signature'>,
    { messageDigest: { readonly algorithm: DigestAlgorithm; readonly digest: Uint8Array } }
  >(
    { signature: bytes(maxSignatureBytes) },
    { messageDigest: message({ algorithm: oneOf(...digestAlgorithms), digest: bytes(64) }) },
  )(value, at);
  return { kind: 'message', signature, ...(messageDigest === undefined ? {} : { digest: messageDigest }) };
};

const envelopeShape: Shape<BundleContent> = (value, at) => {
  const { payload, payloadType, signatures } = message<{
    payload: Uint8Array;
    payloadType: string;
    signatures: readonly (Raw<'sig'> & { readonly keyid?: string })[];
  }>({
    payload: bytes(maxPayloadBytes),
    payloadType: text(200, /^[\x21-\x7e]+$/),
    // A second signature would be one that nobody checks.
    signatures: list(
      message<Raw<'sig'>, { keyid: string }>({ sig: bytes(maxSignatureBytes) }, { keyid: text(500) }),
      1,
      1,
    ),
  })(value, at);
  // The list has exactly one item by its shape.
  const { sig, keyid } = signatures[0] as (typeof signatures)[number];
  return { kind: 'envelope', signature: sig, payloadType, payload, keyId: keyid ?? '' };
};

interface ContentJson {
  readonly messageSignature: BundleContent;
  readonly dsseEnvelope: BundleContent;
}

const bundleShape = message<
  { mediaType: MediaType; verificationMaterial: Partial<MaterialJson> },
  ContentJson
>(
  { mediaType: oneOf(...mediaTypes), verificationMaterial: materialShape },
  { messageSignature: messageShape, dsseEnvelope: envelopeShape },
);

/**
 * Reads a bundle of version 0.1, 0.2 or 0.3 (protobuf-specs, sigstore_bundle.proto): one signature, by one certificate
 * or key. Says nothing of whether it is genuine: use `verifySigstoreBundle`.
 */
export function parseSigstoreBundle(json: string): SigstoreBundle {
  const document = bundleShape(parseStrictJson(json, { maxBytes: maxDocumentBytes }), 'bundle');
  const { messageSignature, dsseEnvelope, verificationMaterial } = document;
  const version = versions[document.mediaType];
  const [content, other] = [messageSignature, dsseEnvelope].filter((each) => each !== undefined);
  if (content === undefined || other !== undefined)
    throw refused('either a message signature or a DSSE envelope');
  const entries = verificationMaterial.tlogEntries ?? [];
  for (const { proof, promise } of entries) {
    // Version 0.1 came before proofs; what vouches for its entries is the log's promise.
    if (version === '0.1' ? promise === undefined : proof?.checkpoint === undefined) {
      throw refused(version === '0.1' ? 'an inclusion promise' : 'an inclusion proof with a checkpoint');
    }
  }
  return {
    version,
    material: readMaterial(verificationMaterial, version),
    entries,
    timestamps: (verificationMaterial.timestampVerificationData?.rfc3161Timestamps ?? []).map(
      ({ signedTimestamp }) => signedTimestamp,
    ),
    content,
  };
}

function readMaterial(json: Partial<MaterialJson>, version: SigstoreBundle['version']): BundleMaterial {
  const { certificate, x509CertificateChain: chain, publicKey } = json;
  const given = [certificate, chain, publicKey].filter((each) => each !== undefined);
  if (given.length !== 1) throw refused('exactly one of certificate, certificate chain and public key');
  if (publicKey !== undefined) return { kind: 'key', hint: publicKey.hint ?? '' };
  if ((chain === undefined) !== (version === '0.3')) {
    throw refused(version === '0.3' ? 'one certificate, not a chain' : 'a certificate chain');
  }
  const [leaf, ...others] = chain?.certificates ?? [certificate].filter((each) => each !== undefined);
  if (leaf === undefined) throw refused('a certificate');
  return { kind: 'certificate', certificate: leaf.rawBytes, others: others.map(({ rawBytes }) => rawBytes) };
}

function refused(expected: string): Fault {
  return new Fault('invalid', 'formats.bundle_document', `expected a bundle with ${expected}, got another`);
}
