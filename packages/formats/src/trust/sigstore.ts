import { toBase64 } from '../bytes/encodings.ts';
import { canonicalJson } from '../json/canonical.ts';
import type { TrustRoot } from './trust-root.ts';

/**
 * `trusted_root.json` for Sigstore's verifiers (cosign, sigstore-js, sigstore-python). Version 0.1, the only one that
 * sigstore-go reads. It names the logs; the public key is given to those tools beside it. The base URL is made from
 * the origin, because they take the checkpoint's expected origin from its host.
 */
export function toSigstoreTrustedRoot(trustRoot: TrustRoot): string {
  return canonicalJson({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: trustRoot.logs.map((log) => ({
      baseUrl: `https://${log.origin}`,
      hashAlgorithm: 'SHA2_256',
      publicKey: {
        rawBytes: toBase64(log.publicKey),
        keyDetails: 'PKIX_ED25519',
        validFor:
          log.validUntil === undefined
            ? { start: log.validFrom }
            : { start: log.validFrom, end: log.validUntil },
      },
      logId: { keyId: toBase64(log.keyId) },
    })),
    certificateAuthorities: [],
    ctlogs: [],
    timestampAuthorities: [],
  });
}
