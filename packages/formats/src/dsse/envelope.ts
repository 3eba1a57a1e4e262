import { concatBytes, utf8 } from '../bytes/bytes.ts';
import { toBase64 } from '../bytes/encodings.ts';
import { verifyP256 } from '../crypto/signatures.ts';
import { Fault } from '../fault.ts';
import { base64, closed, list, type Shape, text } from '../json/shape.ts';
import { parseStrictJson } from '../json/strict.ts';

/** A DSSE envelope (v1.0.2) with the one signature we allow. */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  /** Names the key of the trust root; not authenticated by DSSE itself. */
  readonly keyHint: string;
  /** ECDSA P-256 with SHA-256 over the PAE, DER. */
  readonly signature: Uint8Array;
}

export const inTotoPayloadType = 'application/vnd.in-toto+json';

const maxPayloadBytes = 3 * 1024 * 1024;

/** The pre-authentication encoding: what is signed. Lengths in front keep type and body from trading bytes. */
export function pae(payloadType: string, body: Uint8Array): Uint8Array {
  const type = utf8(payloadType);
  return concatBytes(utf8(`DSSEv1 ${type.length} `), type, utf8(` ${body.length} `), body);
}

/** Makes an envelope; `sign` gets the PAE. The signature is checked against `publicKey` before it is used. */
export function signEnvelope(
  content: Pick<Envelope, 'payloadType' | 'payload' | 'keyHint'>,
  sign: (bytes: Uint8Array) => Uint8Array,
  publicKey: Uint8Array,
): Envelope {
  const message = pae(content.payloadType, content.payload);
  const signature = sign(message);
  if (!verifyP256(publicKey, message, signature)) {
    throw new Fault('internal', 'formats.envelope_signer', 'the signature is not by the given key');
  }
  return { ...content, signature };
}

/** The JSON members of an envelope. */
export function envelopeJson(envelope: Envelope) {
  return {
    payload: toBase64(envelope.payload),
    payloadType: envelope.payloadType,
    signatures: [{ keyid: envelope.keyHint, sig: toBase64(envelope.signature) }],
  };
}

interface EnvelopeJson {
  readonly payload: Uint8Array;
  readonly payloadType: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: Uint8Array }[];
}

const readEnvelope: Shape<EnvelopeJson> = closed<EnvelopeJson>(
  {
    payload: base64(maxPayloadBytes),
    payloadType: text(200, /^[\x21-\x7e]+$/),
    signatures: list(
      closed<{ readonly keyid: string; readonly sig: Uint8Array }>(
        { keyid: text(200, /^[\x21-\x7e]+$/), sig: base64(256) },
        {},
      ),
      1,
      1,
    ),
  },
  {},
);

export const envelopeShape: Shape<Envelope> = (value, at) => {
  const { payload, payloadType, signatures } = readEnvelope(value, at);
  const [signature] = signatures;
  // The list has exactly one item by its shape.
  if (signature === undefined)
    throw new Fault('internal', 'formats.envelope', 'a list of one item was empty');
  return { payload, payloadType, keyHint: signature.keyid, signature: signature.sig };
};

/** Reads an envelope with exactly one signature. Says nothing of whether the signature is valid. */
export function parseEnvelope(json: string): Envelope {
  return envelopeShape(parseStrictJson(json), 'envelope');
}
