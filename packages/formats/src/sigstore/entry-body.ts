import { equalBytes, fromUtf8 } from '../bytes/bytes.ts';
import { fromBase64, fromHex } from '../bytes/encodings.ts';
import { sha2 } from '../crypto/sha256.ts';
import type { HashName } from '../crypto/verifying-key.ts';
import { parseCanonicalJson } from '../json/canonical.ts';
import { base64, closed, list, oneOf, open, plainObject, type Shape, text } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';
import type { DigestAlgorithm } from './document.ts';
import { readPem } from './pem.ts';
import { refusal } from './refusal.ts';
import { hashNames, type SignedContent } from './signed-content.ts';
import type { Signer } from './signer.ts';

/** What the log recorded must be what the bundle carries: hash, signature, and who is to verify it. */
export interface Recorded {
  readonly kind: string;
  readonly version: string;
  readonly body: Uint8Array;
}

const hex = text(128, /^(?:[0-9a-f]{2})+$/);
const encoded = base64(65_536);
const hashShape = closed<{ algorithm: HashName; value: string }>(
  { algorithm: oneOf('sha256', 'sha384', 'sha512'), value: hex },
  {},
);

/** Reads one kind of entry and compares it. */
type Compare = (spec: unknown, content: SignedContent, signer: Signer) => void;

/** Rekor v1 (its types' schemas) and v2 (protobuf-specs, rekor/v2): kind and version to the comparison. */
const kinds: Readonly<Record<string, Compare>> = {
  'hashedrekord 0.0.1': hashedRekordV1,
  'dsse 0.0.1': dsseV1,
  'intoto 0.0.2': intoto,
  'hashedrekord 0.0.2': hashedRekordV2,
  'dsse 0.0.2': dsseV2,
};

/** Kinds of the second generation of the log: no promise, no time, and checkpoints named by the host alone. */
export function isSecondGeneration({ kind, version }: Pick<Recorded, 'kind' | 'version'>): boolean {
  return version === '0.0.2' && kind !== 'intoto';
}

/** Throws unless the entry records this signature of this content by this signer. */
export function requireRecorded(entry: Recorded, content: SignedContent, signer: Signer): void {
  const name = `${entry.kind} ${entry.version}`;
  const compare = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (compare === undefined) throw refusal('log_entry', `an entry of ${Object.keys(kinds).join(', ')}`, name);
  const json = fromUtf8(entry.body);
  // The second generation writes canonical JSON; another spelling would be another leaf of the tree.
  const value = isSecondGeneration(entry)
    ? parseCanonicalJson(json)
    : parseStrictJson(json, { maxBytes: 16 << 20 });
  const body = closed<{ apiVersion: string; kind: string; spec: Readonly<Record<string, unknown>> }>(
    { apiVersion: oneOf(entry.version), kind: oneOf(entry.kind), spec: plainObject },
    {},
  )(value, 'entry');
  compare(body.spec, content, signer);
}

interface HashedRekordV1 {
  readonly data: { readonly hash: { readonly algorithm: HashName; readonly value: string } };
  readonly signature: { readonly content: Uint8Array; readonly publicKey: { readonly content: Uint8Array } };
}

const hashedRekordV1Shape: Shape<HashedRekordV1> = closed<HashedRekordV1>(
  {
    data: closed<HashedRekordV1['data']>({ hash: hashShape }, {}),
    signature: closed<HashedRekordV1['signature']>(
      { content: encoded, publicKey: closed<{ content: Uint8Array }>({ content: encoded }, {}) },
      {},
    ),
  },
  {},
);

function hashedRekordV1(spec: unknown, content: SignedContent, signer: Signer): void {
  const { data, signature } = hashedRekordV1Shape(spec, 'entry.spec');
  requireHash(content.payload === undefined, data.hash.algorithm, fromHex(data.hash.value), content);
  requireSignature(signature.content, content);
  requirePem(signature.publicKey.content, signer);
}

interface DsseV1 {
  readonly envelopeHash: { readonly algorithm: HashName; readonly value: string };
  readonly payloadHash: { readonly algorithm: HashName; readonly value: string };
  readonly signatures: readonly { readonly signature: Uint8Array; readonly verifier: Uint8Array }[];
}

const dsseV1Shape: Shape<DsseV1> = closed<DsseV1>(
  {
    envelopeHash: hashShape,
    payloadHash: hashShape,
    signatures: list(
      closed<DsseV1['signatures'][number]>({ signature: encoded, verifier: encoded }, {}),
      1,
      1,
    ),
  },
  {},
);

function dsseV1(spec: unknown, content: SignedContent, signer: Signer): void {
  const { payloadHash, signatures } = dsseV1Shape(spec, 'entry.spec');
  requirePayload(payloadHash.algorithm, fromHex(payloadHash.value), content);
  for (const { signature, verifier } of signatures) {
    requireSignature(signature, content);
    requirePem(verifier, signer);
  }
}

interface Intoto {
  readonly content: {
    readonly envelope: {
      readonly payloadType: string;
      readonly signatures: readonly { readonly sig: Uint8Array; readonly publicKey: Uint8Array }[];
    };
    readonly payloadHash: { readonly algorithm: HashName; readonly value: string };
  };
}

const intotoShape: Shape<Intoto> = open<Intoto>(
  {
    content: open<Intoto['content']>(
      {
        envelope: open<Intoto['content']['envelope']>(
          {
            payloadType: text(200),
            signatures: list(
              open<{ sig: Uint8Array; publicKey: Uint8Array }>({ sig: encoded, publicKey: encoded }, {}),
              1,
              1,
            ),
          },
          {},
        ),
        payloadHash: hashShape,
      },
      {},
    ),
  },
  {},
);

function intoto(spec: unknown, content: SignedContent, signer: Signer): void {
  const { envelope, payloadHash } = intotoShape(spec, 'entry.spec').content;
  requirePayload(payloadHash.algorithm, fromHex(payloadHash.value), content);
  for (const { sig, publicKey } of envelope.signatures) {
    // The log encodes what is base64 already; other writers of this kind do not.
    requireSignature(equalBytes(sig, content.signature) ? sig : fromBase64(fromUtf8(sig)), content);
    requirePem(publicKey, signer);
  }
}

interface VerifierV2 {
  readonly keyDetails: string;
  readonly publicKey?: { readonly rawBytes: Uint8Array };
  readonly x509Certificate?: { readonly rawBytes: Uint8Array };
}
interface SignatureV2 {
  readonly content: Uint8Array;
  readonly verifier: VerifierV2;
}
interface HashV2 {
  readonly algorithm: DigestAlgorithm;
  readonly digest: Uint8Array;
}

const rawShape = closed<{ rawBytes: Uint8Array }>({ rawBytes: encoded }, {});
const signatureV2Shape: Shape<SignatureV2> = closed<SignatureV2>(
  {
    content: encoded,
    verifier: closed<VerifierV2>(
      { keyDetails: text(60) },
      { publicKey: rawShape, x509Certificate: rawShape },
    ),
  },
  {},
);
const hashV2Shape: Shape<HashV2> = closed<HashV2>(
  { algorithm: oneOf('SHA2_256', 'SHA2_384', 'SHA2_512'), digest: encoded },
  {},
);
const hashedRekordV2Shape = closed<{ hashedRekordV002: { data: HashV2; signature: SignatureV2 } }>(
  {
    hashedRekordV002: closed<{ data: HashV2; signature: SignatureV2 }>(
      { data: hashV2Shape, signature: signatureV2Shape },
      {},
    ),
  },
  {},
);
const dsseV2Shape = closed<{ dsseV002: { payloadHash: HashV2; signatures: readonly SignatureV2[] } }>(
  {
    dsseV002: closed<{ payloadHash: HashV2; signatures: readonly SignatureV2[] }>(
      { payloadHash: hashV2Shape, signatures: list(signatureV2Shape, 1, 1) },
      {},
    ),
  },
  {},
);

/** A blob by its hash, or an envelope by the hash of its PAE. */
function hashedRekordV2(spec: unknown, content: SignedContent, signer: Signer): void {
  const { data, signature } = hashedRekordV2Shape(spec, 'entry.spec').hashedRekordV002;
  requireHash(true, hashNames[data.algorithm], data.digest, content);
  requireSignatureV2(signature, content, signer);
}

function dsseV2(spec: unknown, content: SignedContent, signer: Signer): void {
  const { payloadHash, signatures } = dsseV2Shape(spec, 'entry.spec').dsseV002;
  requirePayload(hashNames[payloadHash.algorithm], payloadHash.digest, content);
  for (const signature of signatures) requireSignatureV2(signature, content, signer);
}

function requireSignatureV2(signature: SignatureV2, content: SignedContent, signer: Signer): void {
  requireSignature(signature.content, content);
  const { keyDetails, publicKey, x509Certificate } = signature.verifier;
  const [recorded, own] =
    signer.certificate === undefined
      ? [publicKey, signer.key.spki]
      : [x509Certificate, signer.certificate.raw];
  const single = (publicKey === undefined) !== (x509Certificate === undefined);
  if (!single || recorded === undefined || !equalBytes(recorded.rawBytes, own)) throw differs('signer');
  if (!(keyDetailsOf[signer.key.kind] ?? []).includes(keyDetails)) throw differs('kind of key');
}

/** How entries of the second generation call the kinds of keys. */
const keyDetailsOf: Readonly<Record<Signer['key']['kind'], readonly string[]>> = {
  p256: ['PKIX_ECDSA_P256_SHA_256'],
  p384: ['PKIX_ECDSA_P384_SHA_384', 'PKIX_ECDSA_P384_SHA_256'],
  p521: ['PKIX_ECDSA_P521_SHA_512', 'PKIX_ECDSA_P521_SHA_256'],
  // The log verifies over a hash, which Ed25519 itself has none of.
  ed25519: [],
  rsa: ['PKIX_RSA_PKCS1V15_2048_SHA256', 'PKIX_RSA_PKCS1V15_3072_SHA256', 'PKIX_RSA_PKCS1V15_4096_SHA256'],
};

function requireHash(right: boolean, name: HashName, recorded: Uint8Array, content: SignedContent): void {
  const own = content.hash(name);
  if (!right || own === undefined || !equalBytes(own, recorded)) throw differs('content');
}

function requirePayload(name: HashName, recorded: Uint8Array, { payload }: SignedContent): void {
  if (payload === undefined || !equalBytes(sha2(name, payload), recorded)) throw differs('payload');
}

function requireSignature(recorded: Uint8Array, { signature }: SignedContent): void {
  if (!equalBytes(recorded, signature)) throw differs('signature');
}

/** Entries of the first generation hold the certificate or key as PEM. */
function requirePem(pem: Uint8Array, { certificate, key }: Signer): void {
  const { label, der } = readPem(fromUtf8(pem), ['CERTIFICATE', 'PUBLIC KEY']);
  const own = label === 'CERTIFICATE' ? certificate?.raw : certificate === undefined ? key.spki : undefined;
  if (own === undefined || !equalBytes(der, own)) throw differs('signer');
}

function differs(what: string) {
  return refusal('log_entry', `a log entry of the bundle's own ${what}`, 'one of another');
}
