import { CertificateList } from '@peculiar/asn1-x509';
import { invalidSetting } from '../login.ts';
import { serialText } from './certificate.ts';
import type { Chain } from './chain.ts';
import { parseWhole } from './whole.ts';

const maxCrlBytes = 4 * 1024 * 1024;
const maxSerials = 100_000;

/**
 * Reads a revocation list (RFC 5280 section 5) in PEM for `auth/<mount>/crls/<name>` and gives its serial numbers, as
 * lower-case hexadecimal without leading zeros. Who writes it may write roles too, so its signature is not asked for,
 * nor its time: an old list still names what was revoked. Throws `Fault('invalid')`.
 */
export function parseCrl(pem: string): readonly string[] {
  const match = /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----/.exec(
    pem.length <= maxCrlBytes ? pem : '',
  );
  if (match?.[1] === undefined)
    throw invalidSetting(`expected a revocation list in PEM of at most ${maxCrlBytes} bytes`);
  let list: CertificateList;
  try {
    list = parseWhole(Buffer.from(match[1], 'base64'), CertificateList);
  } catch (cause) {
    throw invalidSetting(
      'expected a revocation list as in RFC 5280, with the time of the next update',
      cause,
    );
  }
  const revoked = list.tbsCertList.revokedCertificates ?? [];
  if (revoked.length > maxSerials)
    throw invalidSetting(`expected at most ${maxSerials} revoked certificates`);
  return [
    ...new Set(
      revoked.map(({ userCertificate }) => serialText(Buffer.from(userCertificate).toString('hex'))),
    ),
  ];
}

/**
 * Whether a certificate of the chain is revoked, its authorities included. By serial number alone, as Vault does: a
 * serial number that two authorities gave is revoked for both, which errs on the safe side.
 */
export function isRevoked(chain: Chain, serials: Pick<ReadonlySet<string>, 'has'>): boolean {
  return chain.some(({ serial }) => serials.has(serial));
}
