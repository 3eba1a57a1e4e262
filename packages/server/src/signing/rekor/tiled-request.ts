import { createHash } from 'node:crypto';
import { Fault, pae } from '@sallyport/formats';
import { type Static, Type } from 'typebox';
import { badSignature, bytesOf, hashedRekordV2, type LogEntry } from './entry.ts';
import { type EntryKey, readEntryKey } from './entry-key.ts';

const closed = { additionalProperties: false } as const;
const Raw = Type.Object({ rawBytes: Type.String({ minLength: 4, maxLength: 22_000 }) }, closed);
const keyDetails = Type.String({ minLength: 1, maxLength: 60 });
const Verifier = Type.Union([
  Type.Object({ x509Certificate: Raw, keyDetails }, closed),
  Type.Object({ publicKey: Raw, keyDetails }, closed),
]);
const Base64 = (maxLength: number) => Type.String({ minLength: 4, maxLength });

/** Upper bound of a payload in base64; the digest of it is what is logged. */
const maxPayload = 4 * 1024 * 1024;

/** The two requests that clients of the second log API send (rekor-tiles, `CreateEntryRequest`, as protobuf's JSON). */
export const CreateEntry = Type.Union([
  Type.Object(
    {
      hashedRekordRequestV002: Type.Object(
        {
          digest: Base64(88),
          signature: Type.Object({ content: Base64(1400), verifier: Verifier }, closed),
        },
        closed,
      ),
    },
    closed,
  ),
  Type.Object(
    {
      dsseRequestV002: Type.Object(
        {
          envelope: Type.Object(
            {
              payload: Type.String({ maxLength: maxPayload }),
              payloadType: Type.String({ minLength: 1, maxLength: 200, pattern: '^[\\x21-\\x7e]+$' }),
              signatures: Type.Array(
                Type.Object(
                  { sig: Base64(1400), keyid: Type.Optional(Type.String({ maxLength: 200 })) },
                  closed,
                ),
                { minItems: 1, maxItems: 1 },
              ),
            },
            closed,
          ),
          verifiers: Type.Array(Verifier, { minItems: 1, maxItems: 1 }),
        },
        closed,
      ),
    },
    closed,
  ),
]);

/**
 * Reads a request and verifies its signature. The envelope of the obsolete `dsse` request becomes a `hashedrekord` over
 * its PAE, the one form of an envelope in this log that today's verifiers take.
 */
export function readRequestV2(request: Static<typeof CreateEntry>): LogEntry {
  if ('hashedRekordRequestV002' in request) {
    const { digest, signature } = request.hashedRekordRequestV002;
    const key = keyOf(signature.verifier);
    const digestBytes = bytesOf(digest, 'digest');
    const content = bytesOf(signature.content, 'signature.content');
    if (!key.signedDigest(digestBytes, content)) throw badSignature();
    return entryOf(key, hashedRekordV2(digestBytes, content, key));
  }
  const { envelope, verifiers } = request.dsseRequestV002;
  const [signature] = envelope.signatures;
  const [verifier] = verifiers;
  if (signature === undefined || verifier === undefined) throw badSignature();
  const key = keyOf(verifier);
  const message = pae(envelope.payloadType, bytesOf(envelope.payload, 'envelope.payload'));
  const content = bytesOf(signature.sig, 'envelope.signatures');
  if (!key.signedMessage(message, content)) throw badSignature();
  const digest = Uint8Array.from(createHash(key.algorithm.hash).update(message).digest());
  return entryOf(key, hashedRekordV2(digest, content, key));
}

function entryOf(key: EntryKey, body: Uint8Array): LogEntry {
  return { kind: 'hashedrekord', version: '0.0.2', key, body };
}

function keyOf(verifier: Static<typeof Verifier>): EntryKey {
  const key =
    'x509Certificate' in verifier
      ? readEntryKey('x509Certificate', bytesOf(verifier.x509Certificate.rawBytes, 'rawBytes'))
      : readEntryKey('publicKey', bytesOf(verifier.publicKey.rawBytes, 'rawBytes'));
  if (verifier.keyDetails === key.algorithm.keyDetails) return key;
  throw new Fault(
    'invalid',
    'rekor.key_details',
    `expected keyDetails ${key.algorithm.keyDetails} for this key, got ${JSON.stringify(verifier.keyDetails)}`,
    { hint: 'verifiers rebuild the entry with the default of the key, and would not find another' },
  );
}
