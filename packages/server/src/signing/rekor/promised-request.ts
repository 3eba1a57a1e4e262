import { Fault, fromHex, pae, parseStrictJson } from '@sallyport/formats';
import { type Static, Type } from 'typebox';
import { badSignature, bytesOf, dsseV1, hashedRekordV1, type LogEntry } from './entry.ts';
import { type EntryKey, readPemKey } from './entry-key.ts';

const closed = { additionalProperties: false } as const;
const maxEnvelope = 4 * 1024 * 1024;
const version = Type.Literal('0.0.1');
/** A PEM in base64. */
const Pem = Type.String({ minLength: 4, maxLength: 32_000 });

/** Members that the log fills in. sigstore-python names them in what it proposes, always as null. */
const computedByTheLog = {
  signatures: Type.Optional(Type.Null()),
  envelopeHash: Type.Optional(Type.Null()),
  payloadHash: Type.Optional(Type.Null()),
};

/** The two kinds of entry that clients of the first log API propose for artifacts and for envelopes. */
export const ProposedEntry = Type.Union([
  Type.Object(
    {
      apiVersion: version,
      kind: Type.Literal('hashedrekord'),
      spec: Type.Object(
        {
          data: Type.Object(
            {
              hash: Type.Object(
                {
                  algorithm: Type.Union([
                    Type.Literal('sha256'),
                    Type.Literal('sha384'),
                    Type.Literal('sha512'),
                  ]),
                  value: Type.String({ pattern: '^([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})$' }),
                },
                closed,
              ),
            },
            closed,
          ),
          signature: Type.Object(
            {
              content: Type.String({ minLength: 4, maxLength: 1400 }),
              publicKey: Type.Object({ content: Pem }, closed),
            },
            closed,
          ),
        },
        closed,
      ),
    },
    closed,
  ),
  Type.Object(
    {
      apiVersion: version,
      kind: Type.Literal('dsse'),
      spec: Type.Object(
        {
          proposedContent: Type.Object(
            {
              envelope: Type.String({ minLength: 2, maxLength: maxEnvelope }),
              verifiers: Type.Array(Pem, { minItems: 1, maxItems: 1 }),
            },
            closed,
          ),
          ...computedByTheLog,
        },
        closed,
      ),
    },
    closed,
  ),
]);

interface Envelope {
  readonly payload: string;
  readonly payloadType: string;
  readonly signature: string;
}

/** Reads a proposed entry and verifies its signature. */
export function readRequestV1(proposed: Static<typeof ProposedEntry>): LogEntry {
  if (proposed.kind === 'hashedrekord') {
    const { data, signature } = proposed.spec;
    const key = keyOf(signature.publicKey.content);
    if (data.hash.algorithm !== key.algorithm.hash) throw badSignature();
    const digest = fromHex(data.hash.value);
    const content = bytesOf(signature.content, 'signature.content');
    if (!key.signedDigest(digest, content)) throw badSignature();
    return { kind: 'hashedrekord', version: '0.0.1', key, body: hashedRekordV1(digest, content, key) };
  }
  const { envelope: text, verifiers } = proposed.spec.proposedContent;
  const key = keyOf(verifiers[0] ?? '');
  const envelope = envelopeOf(text);
  const payload = bytesOf(envelope.payload, 'payload');
  const content = bytesOf(envelope.signature, 'signatures');
  if (!key.signedMessage(pae(envelope.payloadType, payload), content)) throw badSignature();
  return { kind: 'dsse', version: '0.0.1', key, body: dsseV1(text, payload, content, key) };
}

/** The envelope inside the text; its bytes as they were sent are hashed, so they stay a text until here. */
function envelopeOf(text: string): Envelope {
  const { payload, payloadType, signatures, ...others } = recordOf(
    parseStrictJson(text, { maxBytes: maxEnvelope }),
  );
  const [first, second] = Array.isArray(signatures) ? signatures : [];
  const { sig, keyid = '', ...more } = recordOf(first);
  const extra = Object.keys({ ...others, ...more }).length > 0 || second !== undefined;
  if (typeof payload !== 'string' || typeof sig !== 'string' || typeof keyid !== 'string' || extra) {
    throw badEnvelope();
  }
  if (typeof payloadType !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(payloadType)) throw badEnvelope();
  return { payload, payloadType, signature: sig };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badEnvelope();
  // The strict reader gives plain JSON data and nothing else.
  return value as Readonly<Record<string, unknown>>;
}

function badEnvelope(): Fault {
  return new Fault(
    'invalid',
    'rekor.envelope',
    'expected a DSSE envelope with one signature as proposedContent.envelope, got another document',
  );
}

function keyOf(base64: string): EntryKey {
  return readPemKey(Buffer.from(bytesOf(base64, 'a verifier')).toString('latin1'));
}
