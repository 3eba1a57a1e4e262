import { equalBytes, utf8 } from '../bytes/bytes.ts';
import { toBase64 } from '../bytes/encodings.ts';
import { checkP256, verifyP256 } from '../crypto/signatures.ts';
import { pae } from '../dsse/envelope.ts';
import { Fault } from '../fault.ts';
import { canonicalJson, parseCanonicalJson } from '../json/canonical.ts';
import { base64, closed, instant, integer, list, oneOf, type Shape, text, uri } from '../json/shape.ts';
import { checkpointKeyId } from '../tlog/note.ts';

export const trustRootMediaType = 'application/vnd.sallyport.trust-root.v1+json';

/** A key that signs evidence. */
export interface TrustedKey {
  readonly hint: string;
  readonly algorithm: 'PKIX_ECDSA_P256_SHA_256';
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly validFrom: string;
  readonly validUntil?: string;
  /**
   * Where the key ended. A bundle carries no trusted time, but the log's order cannot be forged: what this key signed
   * counts only below `logIndex` of the log `origin`.
   */
  readonly retired?: { readonly origin: string; readonly logIndex: number };
}

/** A log whose checkpoints are believed. */
export interface TrustedLog {
  /** A bare host name: Sigstore verifiers compare it with the host of the log's URL. */
  readonly origin: string;
  readonly baseUrl: string;
  /** All 32 bytes of `checkpointKeyId(origin, publicKey)`. */
  readonly keyId: Uint8Array;
  /** Ed25519 SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly validFrom: string;
  readonly validUntil?: string;
}

/** Everything a verifier must believe, and nothing else. */
export interface TrustRoot {
  readonly installation: string;
  /** `runDetails.builder.id` of provenance by this installation. */
  readonly builderId: string;
  /** `verifier.id` of verdicts by this installation. */
  readonly verifierId: string;
  readonly keys: readonly TrustedKey[];
  readonly logs: readonly TrustedLog[];
}

interface Document {
  readonly mediaType: typeof trustRootMediaType;
  readonly payload: TrustRoot;
  readonly signature: { readonly hint: string; readonly value: Uint8Array };
}

const origin = text(253, /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/);
const hint = text(200, /^[\x21-\x7e]+$/);

const payloadShape: Shape<TrustRoot> = closed<TrustRoot>(
  {
    installation: text(200, /^[\x21-\x7e]+$/),
    builderId: uri,
    verifierId: uri,
    keys: list(
      closed<TrustedKey>(
        { hint, algorithm: oneOf('PKIX_ECDSA_P256_SHA_256'), publicKey: base64(200), validFrom: instant },
        {
          validUntil: instant,
          retired: closed<{ readonly origin: string; readonly logIndex: number }>(
            { origin, logIndex: integer(0) },
            {},
          ),
        },
      ),
      32,
      1,
    ),
    logs: list(
      closed<TrustedLog>(
        { origin, baseUrl: uri, keyId: base64(32, 32), publicKey: base64(200), validFrom: instant },
        { validUntil: instant },
      ),
      16,
      1,
    ),
  },
  {},
);

const documentShape: Shape<Document> = closed<Document>(
  {
    mediaType: oneOf(trustRootMediaType),
    payload: payloadShape,
    signature: closed<Document['signature']>({ hint, value: base64(256) }, {}),
  },
  {},
);

/** The signed document, canonical JSON: the bytes to pin. `sign` is ECDSA P-256 by the key with `signerHint`. */
export function signTrustRoot(
  trustRoot: TrustRoot,
  signerHint: string,
  sign: (bytes: Uint8Array) => Uint8Array,
): string {
  const payload = payloadJson(trustRoot);
  const value = sign(signedBytes(payload));
  const document = canonicalJson({
    mediaType: trustRootMediaType,
    payload,
    signature: { hint: signerHint, value: toBase64(value) },
  });
  parseTrustRoot(document);
  return document;
}

/**
 * Reads a trust root and checks that it is whole: canonical, consistent and signed by one of its own keys. That makes
 * damage visible; it does not make the document true. Truth comes from how it was obtained: pin it.
 */
export function parseTrustRoot(document: string): TrustRoot {
  const { payload, signature } = documentShape(
    parseCanonicalJson(document, { maxBytes: 65_536 }),
    'trustRoot',
  );
  checkConsistent(payload);
  const signer = payload.keys.find((key) => key.hint === signature.hint);
  if (
    signer === undefined ||
    !verifyP256(signer.publicKey, signedBytes(payloadJson(payload)), signature.value)
  ) {
    throw new Fault(
      'integrity',
      'formats.trust_root_signature',
      'expected a trust root signed by one of its keys, got one that is not',
    );
  }
  return payload;
}

function checkConsistent({ keys, logs }: TrustRoot): void {
  if (new Set(keys.map((key) => key.hint)).size !== keys.length) throw inconsistent('one key per hint');
  if (new Set(logs.map((log) => toBase64(log.keyId))).size !== logs.length)
    throw inconsistent('each log once');
  for (const key of keys) checkP256(key.publicKey);
  for (const log of logs) {
    if (!equalBytes(checkpointKeyId(log.origin, log.publicKey), log.keyId)) {
      throw inconsistent('log key ids that belong to origin and key');
    }
  }
}

function inconsistent(expected: string): Fault {
  return new Fault('invalid', 'formats.trust_root', `expected a trust root with ${expected}, got another`);
}

/** The media type is signed along (DSSE's encoding), so that no other signed document can pass for a trust root. */
function signedBytes(payload: object): Uint8Array {
  return pae(trustRootMediaType, utf8(canonicalJson(payload)));
}

function payloadJson(trustRoot: TrustRoot): object {
  const { installation, builderId, verifierId, keys, logs } = trustRoot;
  return {
    installation,
    builderId,
    verifierId,
    keys: keys.map((key) => ({ ...key, publicKey: toBase64(key.publicKey) })),
    logs: logs.map((log) => ({ ...log, publicKey: toBase64(log.publicKey), keyId: toBase64(log.keyId) })),
  };
}
