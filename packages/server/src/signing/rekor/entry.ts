import {
  canonicalJson,
  Fault,
  fromBase64,
  maxEntryBytes,
  sha256,
  toBase64,
  toHex,
  utf8,
} from '@sallyport/formats';
import type { EntryKey } from './entry-key.ts';

/** What somebody asks to log; its signature was verified, and its leaf's bytes are made. */
export interface LogEntry {
  readonly kind: 'hashedrekord' | 'dsse';
  readonly version: '0.0.1' | '0.0.2';
  readonly key: EntryKey;
  /** The leaf: canonical JSON (RFC 8785), which verifiers rebuild byte by byte. */
  readonly body: Uint8Array;
}

/** Base64 of a request; what is wrong with it is told with the name of the field. */
export function bytesOf(text: string, field: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new Fault('invalid', 'rekor.base64', `expected standard base64 in ${field}, got other text`, {
      cause,
    });
  }
}

/** `hashedrekord` 0.0.2, over the digest of an artifact, or of the PAE of an envelope. */
export function hashedRekordV2(digest: Uint8Array, signature: Uint8Array, key: EntryKey): Uint8Array {
  const { keyDetails, hashName } = key.algorithm;
  return leaf({
    apiVersion: '0.0.2',
    kind: 'hashedrekord',
    spec: {
      hashedRekordV002: {
        data: { algorithm: hashName, digest: toBase64(digest) },
        signature: {
          content: toBase64(signature),
          verifier: { keyDetails, [key.form]: { rawBytes: toBase64(key.rawBytes) } },
        },
      },
    },
  });
}

/** `hashedrekord` 0.0.1. */
export function hashedRekordV1(digest: Uint8Array, signature: Uint8Array, key: EntryKey): Uint8Array {
  return leaf({
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: key.algorithm.hash, value: toHex(digest) } },
      signature: {
        content: toBase64(signature),
        publicKey: { content: toBase64(utf8(key.pem)) },
      },
    },
  });
}

/** `dsse` 0.0.1. `envelope` is the text as it was sent: its hash is over that, and the payload's over what it holds. */
export function dsseV1(
  envelope: string,
  payload: Uint8Array,
  signature: Uint8Array,
  key: EntryKey,
): Uint8Array {
  return leaf({
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      envelopeHash: { algorithm: 'sha256', value: toHex(sha256(utf8(envelope))) },
      payloadHash: { algorithm: 'sha256', value: toHex(sha256(payload)) },
      signatures: [{ signature: toBase64(signature), verifier: toBase64(utf8(key.pem)) }],
    },
  });
}

export function badSignature(): Fault {
  return new Fault(
    'invalid',
    'rekor.signature',
    'expected a signature by the key of the entry over what it says, got one that is not',
  );
}

function leaf(value: object): Uint8Array {
  const body = utf8(canonicalJson(value));
  if (body.length <= maxEntryBytes) return body;
  throw new Fault(
    'invalid',
    'rekor.entry_size',
    `expected an entry of at most ${maxEntryBytes} bytes, got ${body.length}`,
  );
}
