import { equalBytes } from '../bytes/bytes.ts';
import { namingHash, sha2 } from '../crypto/sha256.ts';
import { Fault } from '../fault.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { oids } from '../x509/oids.ts';
import { verifyPath } from '../x509/path.ts';
import { verifySigned } from '../x509/signed.ts';
import { usageOf } from '../x509/usage.ts';
import { parseTimestampResponse, type TimestampToken } from './token.ts';

/** A timestamp authority that is believed: its chain, the signing certificate first when it is named. */
export interface TimestampAuthority {
  readonly chain: readonly Certificate[];
}

export interface VerifiedTimestamp {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly authority: TimestampAuthority;
}

/**
 * Verifies a timestamp (RFC 3161, RFC 5816) over `signed`, the bytes that existed at its time, by one of
 * `authorities`. `isTrustedAt` says whether an authority is believed at an instant. Throws Fault `integrity`.
 */
export function verifyTimestamp<A extends TimestampAuthority>(
  response: Uint8Array,
  signed: Uint8Array,
  authorities: readonly A[],
  isTrustedAt: (authority: A, time: number) => boolean,
): VerifiedTimestamp {
  const token = parseTimestampResponse(response);
  const { info } = token;
  if (!equalBytes(sha2(info.imprintHash, signed), info.imprint))
    throw refused('a timestamp over this signature');
  let failure: unknown = refused('a timestamp by an authority that is trusted');
  for (const authority of authorities) {
    try {
      const signer = signerOf(token, authority);
      if (signer === undefined) continue;
      if (!isTrustedAt(authority, info.time)) throw refused('a time at which its authority is trusted');
      requireSigned(token, signer);
      requirePath(token, signer, authority);
      return { time: info.time, authority };
    } catch (problem) {
      // Another authority may have the same name: after a rotation of keys that is the rule.
      failure = problem;
    }
  }
  throw failure;
}

/** The certificate that the token says signed it, found by issuer, serial number and hash. */
function signerOf(
  { signer, certificates }: TimestampToken,
  { chain }: TimestampAuthority,
): Certificate | undefined {
  const named = chain[0];
  const pinned = named !== undefined && !usageOf(named).isAuthority;
  // Where the trust root names the signing certificate, an embedded one of the same authority is not believed.
  const candidates = pinned ? [named] : certificates.map(parseCertificate);
  return candidates.find(
    (each) =>
      equalBytes(each.issuer, signer.issuer) &&
      equalBytes(each.serial, signer.serial) &&
      equalBytes(namingHash(signer.certificateHash.hash, each.raw), signer.certificateHash.value),
  );
}

function requireSigned({ signer, infoBytes }: TimestampToken, certificate: Certificate): void {
  if (!equalBytes(sha2(signer.digest, infoBytes), signer.messageDigest)) {
    throw refused('signed attributes of this timestamp');
  }
  if (!verifySigned(certificate.key, signer.algorithm, signer.signedAttributes, signer.signature)) {
    throw refused('a valid signature of the timestamp');
  }
}

function requirePath(
  { info, certificates }: TimestampToken,
  leaf: Certificate,
  { chain }: TimestampAuthority,
): void {
  const { purposes, purposesCritical } = usageOf(leaf);
  // RFC 3161 section 2.3: the purpose stands alone, and is critical.
  if (purposes?.length !== 1 || !purposesCritical) throw refused('a certificate for timestamps only');
  const authorities = chain[0] === leaf ? chain.slice(1) : chain;
  verifyPath({
    leaf,
    // Intermediate certificates may come along; what they lead to must be trusted.
    intermediates: [...authorities.slice(0, -1), ...certificates.map(parseCertificate)],
    anchors: authorities.slice(-1),
    at: info.time,
    purpose: oids.timeStamping,
  });
}

function refused(expected: string): Fault {
  return new Fault('integrity', 'formats.timestamp', `expected ${expected}, got another`);
}
