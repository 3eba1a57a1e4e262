import { utf8 } from '../bytes/bytes.ts';
import { toBase64 } from '../bytes/encodings.ts';
import { sha256 } from '../crypto/sha256.ts';
import { type Envelope, pae } from '../dsse/envelope.ts';
import { canonicalJson } from '../json/canonical.ts';

export const keyDetails = 'PKIX_ECDSA_P256_SHA_256';

export interface HashedRekord {
  /** SHA-256 of the PAE: what the signature is over. */
  readonly paeDigest: Uint8Array;
  readonly signature: Uint8Array;
  readonly publicKeySpki: Uint8Array;
}

/**
 * The leaf of a piece of evidence: Rekor v2 `hashedrekord` 0.0.2, canonical. Verifiers rebuild these bytes from the
 * bundle and check the inclusion of their hash, so each byte matters.
 */
export function hashedRekordBody({ paeDigest, signature, publicKeySpki }: HashedRekord): Uint8Array {
  return utf8(
    canonicalJson({
      apiVersion: '0.0.2',
      kind: 'hashedrekord',
      spec: {
        hashedRekordV002: {
          data: { algorithm: 'SHA2_256', digest: toBase64(paeDigest) },
          signature: {
            content: toBase64(signature),
            verifier: { keyDetails, publicKey: { rawBytes: toBase64(publicKeySpki) } },
          },
        },
      },
    }),
  );
}

/** The leaf of an envelope signed with the key in `publicKeySpki`. */
export function hashedRekordOf(envelope: Envelope, publicKeySpki: Uint8Array): Uint8Array {
  const paeDigest = sha256(pae(envelope.payloadType, envelope.payload));
  return hashedRekordBody({ paeDigest, signature: envelope.signature, publicKeySpki });
}
