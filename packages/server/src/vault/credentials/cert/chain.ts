import type { KeyObject } from 'node:crypto';
import type { CertificateFacts } from './certificate.ts';

/** The end first, the trusted authority last. */
export type Chain = readonly CertificateFacts[];

/** How many authorities may stand above the end, and how many signatures one search may verify. */
const maxAuthorities = 8;
const maxSignatures = 64;

const clientAuth = '1.3.6.1.5.5.7.3.2';
const anyPurpose = '2.5.29.37.0';

/**
 * Extensions this code, or OpenSSL for it, takes into account: key usage, alternative names, basic constraints,
 * extended key usage, key identifiers; and policies, which restrict nothing unless somebody asks for one.
 * KNOWN LIMIT: name constraints (2.5.29.30) are not among them: a chain that has some is refused, critical or not.
 */
const understood = new Set([
  '2.5.29.15',
  '2.5.29.17',
  '2.5.29.19',
  '2.5.29.37',
  '2.5.29.14',
  '2.5.29.35',
  '2.5.29.32',
]);
const nameConstraints = '2.5.29.30';

/** SHA-256 and better; with SHA-1 or MD5 a stranger can make a second certificate under one signature. */
const strongSignatures = new Set([
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.113549.1.1.10',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.3.101.112',
  '1.3.101.113',
]);

/**
 * Finds a chain from `end` over any of `between` (what the client sent, in any order) to one of `trusted` (RFC 5280
 * section 6, without policies). A trusted certificate ends the chain even if it is not self-signed: that is how an
 * intermediate authority alone is trusted.
 */
export function findChain(
  end: CertificateFacts,
  between: readonly CertificateFacts[],
  trusted: readonly CertificateFacts[],
  now: Date,
): Chain | undefined {
  let left = maxSignatures;

  function issued(child: CertificateFacts, issuer: CertificateFacts): boolean {
    if (!child.x509.checkIssued(issuer.x509) || left === 0) return false;
    left--;
    return child.x509.verify(issuer.key);
  }

  /** A chain is judged as a whole: another way up may be right where this one is not. */
  function climb(chain: Chain): Chain | undefined {
    const top = chain[chain.length - 1] ?? end;
    for (const anchor of trusted) {
      const whole = [...chain, anchor];
      if (mayIssue(anchor, chain, now) && issued(top, anchor) && isSound(whole, now)) return whole;
    }
    if (chain.length >= maxAuthorities) return undefined;
    for (const next of between) {
      if (chain.some(({ x509 }) => x509.raw.equals(next.x509.raw)) || !mayIssue(next, chain, now)) continue;
      const found = issued(top, next) ? climb([...chain, next]) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  return isSound([end], now) ? climb([end]) : undefined;
}

/** Whether the certificate itself, trusted by name and not by an authority, may be used now. */
export function isUsableAlone(end: CertificateFacts, now: Date): boolean {
  return isSound([end], now);
}

/** What an authority must be, cheap enough to ask before its signature is verified. */
function mayIssue(authority: CertificateFacts, below: Chain, now: Date): boolean {
  // Authorities that only renamed their key do not count (RFC 5280 section 6.1.4, l).
  const length = below.slice(1).filter(({ isSelfIssued }) => !isSelfIssued).length;
  return (
    authority.isAuthority &&
    (authority.pathLength === undefined || authority.pathLength >= length) &&
    (authority.keyUsages?.includes('keyCertSign') ?? true) &&
    isValidAt(authority, now)
  );
}

function isSound(chain: Chain, now: Date): boolean {
  return chain.every((certificate, i) => {
    const { critical, extensions, extendedKeyUsages, key, keyUsages, x509 } = certificate;
    const uses = extendedKeyUsages?.some((id) => id === clientAuth || id === anyPurpose) ?? true;
    const signs = i > 0 || keyUsages === undefined || keyUsages.includes('digitalSignature');
    const isAnchor = i > 0 && i === chain.length - 1;
    return (
      isValidAt(certificate, now) &&
      critical.every((id) => understood.has(id)) &&
      !extensions.has(nameConstraints) &&
      uses &&
      signs &&
      isStrong(key) &&
      // The signature on what is trusted by itself proves nothing and need not be strong.
      (isAnchor || chain.length === 1 || strongSignatures.has(x509.signatureAlgorithmOid))
    );
  });
}

function isValidAt({ x509 }: CertificateFacts, now: Date): boolean {
  return x509.validFromDate <= now && now <= x509.validToDate;
}

function isStrong({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  switch (asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss': {
      const bits = asymmetricKeyDetails?.modulusLength ?? 0;
      return bits >= 2048 && bits <= 8192;
    }
    case 'ec':
      return ['prime256v1', 'secp384r1', 'secp521r1'].includes(asymmetricKeyDetails?.namedCurve ?? '');
    case 'ed25519':
    case 'ed448':
      return true;
    default:
      return false;
  }
}
