import { equalBytes, fromUtf8 } from '../bytes/bytes.ts';
import { fromBase64, fromHex } from '../bytes/encodings.ts';
import type { HashName } from '../crypto/verifying-key.ts';
import { base64, list, oneOf, open, type Shape, text } from '../json/shape.ts';
import { type Compare, requireHash, requirePayload, requirePem, requireSignature } from './recorded.ts';
import type { SignedContent } from './signed-content.ts';
import type { Signer } from './signer.ts';

/*
 * Kinds of entries of Rekor v1, by their schemas. Members that are not compared are passed over: a schema has optional
 * ones, and nothing is believed for standing in a log.
 */

const hex = text(128, /^(?:[0-9a-f]{2})+$/);
const encoded = base64(65_536);
const hashShape = open<{ algorithm: HashName; value: string }>(
  { algorithm: oneOf('sha256', 'sha384', 'sha512'), value: hex },
  {},
);

/** Kind and version to the comparison. */
export const firstGeneration: Readonly<Record<string, Compare>> = {
  'hashedrekord 0.0.1': hashedRekord,
  'dsse 0.0.1': dsse,
  'intoto 0.0.2': intoto,
};

interface HashedRekord {
  readonly data: { readonly hash: { readonly algorithm: HashName; readonly value: string } };
  readonly signature: { readonly content: Uint8Array; readonly publicKey: { readonly content: Uint8Array } };
}

const hashedRekordShape: Shape<HashedRekord> = open<HashedRekord>(
  {
    data: open<HashedRekord['data']>({ hash: hashShape }, {}),
    signature: open<HashedRekord['signature']>(
      { content: encoded, publicKey: open<{ content: Uint8Array }>({ content: encoded }, {}) },
      {},
    ),
  },
  {},
);

function hashedRekord(spec: unknown, content: SignedContent, signer: Signer): void {
  const { data, signature } = hashedRekordShape(spec, 'entry.spec');
  requireHash(content.payload === undefined, data.hash.algorithm, fromHex(data.hash.value), content);
  requireSignature(signature.content, content);
  requirePem(signature.publicKey.content, signer);
}

interface Dsse {
  readonly envelopeHash: { readonly algorithm: HashName; readonly value: string };
  readonly payloadHash: { readonly algorithm: HashName; readonly value: string };
  readonly signatures: readonly { readonly signature: Uint8Array; readonly verifier: Uint8Array }[];
}

const dsseShape: Shape<Dsse> = open<Dsse>(
  {
    envelopeHash: hashShape,
    payloadHash: hashShape,
    signatures: list(open<Dsse['signatures'][number]>({ signature: encoded, verifier: encoded }, {}), 1, 1),
  },
  {},
);

function dsse(spec: unknown, content: SignedContent, signer: Signer): void {
  const { payloadHash, signatures } = dsseShape(spec, 'entry.spec');
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
