import { toBase64 } from '../bytes/encodings.ts';
import { canonicalJson } from '../json/canonical.ts';
import type { TrustRoot } from './trust-root.ts';

/** When a key or a service was in use; it stays in the documents after its end, for what was signed before. */
export interface SigstorePeriod {
  /** RFC 3339 in UTC. */
  readonly start: string;
  readonly end?: string;
}

/** A log that Sigstore's verifiers believe: of signatures (`tlogs`) or of certificates (`ctlogs`). */
export interface SigstoreLog {
  /** A log of signatures: `https://` and the origin of its checkpoints, which verifiers take from the host of it. */
  readonly baseUrl: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly keyDetails: 'PKIX_ED25519' | 'PKIX_ECDSA_P256_SHA_256' | 'PKIX_ECDSA_P384_SHA_384';
  /** All bytes of the log's id. */
  readonly keyId: Uint8Array;
  readonly validFor: SigstorePeriod;
}

/** A certificate authority, or one of timestamps. */
export interface SigstoreAuthority {
  readonly organization: string;
  readonly commonName: string;
  readonly uri: string;
  /**
   * DER. For certificates: intermediates first, the root last. For timestamps: the leaf first, because verifiers find
   * the authority by issuer and serial number of that one.
   */
  readonly certificates: readonly Uint8Array[];
  readonly validFor: SigstorePeriod;
}

/** Whom Sigstore's verifiers have to believe. */
export interface SigstoreTrust {
  readonly tlogs: readonly SigstoreLog[];
  readonly certificateAuthorities: readonly SigstoreAuthority[];
  readonly ctlogs: readonly SigstoreLog[];
  readonly timestampAuthorities: readonly SigstoreAuthority[];
}

export interface SigstoreService {
  readonly url: string;
  readonly majorApiVersion: number;
  readonly validFor: SigstorePeriod;
}

/** Where Sigstore's clients go to sign. */
export interface SigstoreServices {
  readonly caUrls: readonly SigstoreService[];
  readonly oidcUrls: readonly SigstoreService[];
  readonly rekorTlogUrls: readonly SigstoreService[];
  readonly tsaUrls: readonly SigstoreService[];
}

/**
 * `trusted_root.json` for Sigstore's verifiers (cosign, sigstore-js, sigstore-python). Version 0.1, the only one that
 * sigstore-go reads. It names the logs of the trust root and `more`; a public key of evidence is given to those tools
 * beside it. The base URL is made from the origin, because they take the checkpoint's expected origin from its host.
 */
export function toSigstoreTrustedRoot(trustRoot: TrustRoot, more: Partial<SigstoreTrust> = {}): string {
  const own = trustRoot.logs.map(
    (log): SigstoreLog => ({
      baseUrl: `https://${log.origin}`,
      publicKey: log.publicKey,
      keyDetails: 'PKIX_ED25519',
      keyId: log.keyId,
      validFor: {
        start: log.validFrom,
        ...(log.validUntil === undefined ? {} : { end: log.validUntil }),
      },
    }),
  );
  return canonicalJson({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [...own, ...(more.tlogs ?? [])].map(logJson),
    certificateAuthorities: (more.certificateAuthorities ?? []).map(authorityJson),
    ctlogs: (more.ctlogs ?? []).map(logJson),
    timestampAuthorities: (more.timestampAuthorities ?? []).map(authorityJson),
  });
}

/** `signing_config.json` version 0.2. Of several services of a kind, a client takes the newest it can speak to. */
export function toSigstoreSigningConfig(services: SigstoreServices, operator: string): string {
  const listed = (kind: readonly SigstoreService[]): object[] =>
    kind.map(({ url, majorApiVersion, validFor }) => ({
      url,
      majorApiVersion,
      validFor: { ...validFor },
      operator,
    }));
  return canonicalJson({
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: listed(services.caUrls),
    oidcUrls: listed(services.oidcUrls),
    rekorTlogUrls: listed(services.rekorTlogUrls),
    rekorTlogConfig: { selector: 'ANY' },
    tsaUrls: listed(services.tsaUrls),
    tsaConfig: { selector: 'ANY' },
  });
}

function logJson({ baseUrl, publicKey, keyDetails, keyId, validFor }: SigstoreLog): object {
  return {
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes: toBase64(publicKey), keyDetails, validFor: periodJson(validFor) },
    logId: { keyId: toBase64(keyId) },
  };
}

function authorityJson(authority: SigstoreAuthority): object {
  const { organization, commonName, uri, certificates, validFor } = authority;
  return {
    subject: { organization, commonName },
    uri,
    certChain: { certificates: certificates.map((der) => ({ rawBytes: toBase64(der) })) },
    validFor: periodJson(validFor),
  };
}

/**
 * Timestamps and logs say whole seconds, cut off. A period that began within one has to hold for all of it, or the first
 * signatures of an installation would seem to be older than its log.
 */
function periodJson({ start, end }: SigstorePeriod): object {
  return { start: `${start.slice(0, 19)}Z`, ...(end === undefined ? {} : { end }) };
}
