import { equalBytes } from '../bytes/bytes.ts';
import { toHex } from '../bytes/encodings.ts';
import { sha256 } from '../crypto/sha256.ts';
import { isFault } from '../fault.ts';
import { readPredicate } from '../predicates/read.ts';
import type { Revocation, Revocations } from '../predicates/revocations.ts';
import { predicateTypes } from '../predicates/types.ts';
import { parseSigstoreBundle } from '../sigstore/document.ts';
import type { SigstoreTrustedRoot } from '../sigstore/trusted-root.ts';
import type { VerifiedSigstoreBundle } from '../sigstore/verify.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { digestRevoked, revokedFault, type SignedBy, signerRevoked } from './judge.ts';

/**
 * That what `verifySigstoreBundle` just gave is not withdrawn: by the artifact's digest, by certificate or identity, or,
 * for provenance, by builder. "Since" is compared with the latest time that a trusted clock proves; without one everything
 * counts as signed since. Throws Fault `integrity` with the code `formats.revoked`.
 */
export function requireSignatureNotRevoked(
  list: Revocations,
  verified: VerifiedSigstoreBundle,
  bundle: string,
  trustedRoot: SigstoreTrustedRoot,
): void {
  const ofDigest = digestRevoked(list, verified.artifact);
  if (ofDigest !== undefined) throw revokedFault(ofDigest, 'an artifact');
  for (const signed of signersOf(verified, bundle, trustedRoot)) {
    const revoked: Revocation | undefined = signerRevoked(list, signed);
    if (revoked !== undefined) throw revokedFault(revoked, 'a signer');
  }
}

/** One per authority that has the issuer's name: which of them signed it is not asked again, so each one counts. */
function signersOf(
  { identity, statement, times }: VerifiedSigstoreBundle,
  bundle: string,
  { authorities }: SigstoreTrustedRoot,
): readonly SignedBy[] {
  const builder = builderOf(statement);
  const common: SignedBy = {
    ...(times.length === 0
      ? {}
      : { signedAt: new Date(Math.max(...times.map(({ at }) => at))).toISOString() }),
    ...(builder === undefined ? {} : { builder }),
    ...(identity?.issuer === undefined
      ? {}
      : { identity: { subject: identity.name, issuer: identity.issuer } }),
  };
  const { material } = parseSigstoreBundle(bundle);
  if (material.kind === 'key') return [common];
  const { raw, serial, issuer } = parseCertificate(material.certificate);
  const issuerKeys = authorities
    .flatMap(({ chain }) => chain)
    .filter(({ subject }) => equalBytes(subject, issuer))
    .map(({ key }) => toHex(sha256(key.spki)));
  // Issued by one that the bundle brought: it is still somebody with a fingerprint, an identity and a time.
  return (issuerKeys.length === 0 ? [''] : issuerKeys).map((issuerKey) => ({
    ...common,
    certificate: {
      fingerprint: toHex(sha256(raw)),
      serial: toHex(serial).replace(/^0+(?=.)/, ''),
      issuerKey,
    },
  }));
}

/** Of provenance; another's that is not as SLSA says names nobody. */
function builderOf(statement: VerifiedSigstoreBundle['statement']): string | undefined {
  if (statement?.predicateType !== predicateTypes.provenance) return undefined;
  try {
    return readPredicate('provenance', statement.predicate).runDetails.builder.id;
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}
