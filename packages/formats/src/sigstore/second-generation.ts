import { equalBytes } from '../bytes/bytes.ts';
import { base64, closed, list, oneOf, type Shape, text } from '../json/shape.ts';
import type { DigestAlgorithm } from './document.ts';
import { type Compare, differs, requireHash, requirePayload, requireSignature } from './recorded.ts';
import { hashNames, type SignedContent } from './signed-content.ts';
import type { Signer } from './signer.ts';

/* Kinds of entries of Rekor v2 (protobuf-specs, rekor/v2): closed, because verifiers rebuild them byte by byte. */

const encoded = base64(65_536);

/** Kind and version to the comparison. */
export const secondGeneration: Readonly<Record<string, Compare>> = {
  'hashedrekord 0.0.2': hashedRekord,
  'dsse 0.0.2': dsse,
};

interface Verifier {
  readonly keyDetails: string;
  readonly publicKey?: { readonly rawBytes: Uint8Array };
  readonly x509Certificate?: { readonly rawBytes: Uint8Array };
}
interface RecordedSignature {
  readonly content: Uint8Array;
  readonly verifier: Verifier;
}
interface RecordedHash {
  readonly algorithm: DigestAlgorithm;
  readonly digest: Uint8Array;
}

const rawShape = closed<{ rawBytes: Uint8Array }>({ rawBytes: encoded }, {});
const signatureShape: Shape<RecordedSignature> = closed<RecordedSignature>(
  {
    content: encoded,
    verifier: closed<Verifier>({ keyDetails: text(60) }, { publicKey: rawShape, x509Certificate: rawShape }),
  },
  {},
);
const hashShape: Shape<RecordedHash> = closed<RecordedHash>(
  { algorithm: oneOf('SHA2_256', 'SHA2_384', 'SHA2_512'), digest: encoded },
  {},
);
const hashedRekordShape = closed<{ hashedRekordV002: { data: RecordedHash; signature: RecordedSignature } }>(
  {
    hashedRekordV002: closed<{ data: RecordedHash; signature: RecordedSignature }>(
      { data: hashShape, signature: signatureShape },
      {},
    ),
  },
  {},
);
const dsseShape = closed<{
  dsseV002: { payloadHash: RecordedHash; signatures: readonly RecordedSignature[] };
}>(
  {
    dsseV002: closed<{ payloadHash: RecordedHash; signatures: readonly RecordedSignature[] }>(
      { payloadHash: hashShape, signatures: list(signatureShape, 1, 1) },
      {},
    ),
  },
  {},
);

/** A blob by its hash, or an envelope by the hash of its PAE. */
function hashedRekord(spec: unknown, content: SignedContent, signer: Signer): void {
  const { data, signature } = hashedRekordShape(spec, 'entry.spec').hashedRekordV002;
  requireHash(true, hashNames[data.algorithm], data.digest, content);
  requireSigner(signature, content, signer);
}

function dsse(spec: unknown, content: SignedContent, signer: Signer): void {
  const { payloadHash, signatures } = dsseShape(spec, 'entry.spec').dsseV002;
  requirePayload(hashNames[payloadHash.algorithm], payloadHash.digest, content);
  for (const signature of signatures) requireSigner(signature, content, signer);
}

function requireSigner(signature: RecordedSignature, content: SignedContent, signer: Signer): void {
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
