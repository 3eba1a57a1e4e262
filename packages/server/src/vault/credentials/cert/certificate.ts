import { type KeyObject, X509Certificate } from 'node:crypto';
import {
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  KeyUsage,
  type KeyUsageType,
  type Name,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
} from '@peculiar/asn1-x509';
import { isFault } from '@sallyport/formats';
import { refusedLogin } from '../login.ts';
import { parseWhole } from './whole.ts';

/**
 * What a certificate says, for the questions that Node's `X509Certificate` leaves open: it gives neither the path
 * length, nor extensions by number, nor which of them are critical, and names only as text that must be taken apart
 * again. Signatures, issuers and times stay Node's, that is OpenSSL's.
 */
export interface CertificateFacts {
  readonly x509: X509Certificate;
  readonly key: KeyObject;
  /** Lower-case hexadecimal, without leading zeros. */
  readonly serial: string;
  readonly commonName: string;
  readonly organizationalUnits: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
  readonly uris: readonly string[];
  /** By number; the DER inside the octet string. */
  readonly extensions: ReadonlyMap<string, Buffer>;
  readonly critical: readonly string[];
  readonly isAuthority: boolean;
  /** How many authorities may stand between this one and the end; no bound when undefined. */
  readonly pathLength: number | undefined;
  /** Undefined: every use. */
  readonly keyUsages: readonly KeyUsageType[] | undefined;
  readonly extendedKeyUsages: readonly string[] | undefined;
  readonly isSelfIssued: boolean;
  /** Hexadecimal; empty when the certificate has none. */
  readonly subjectKeyId: string;
  readonly authorityKeyId: string;
}

const maxCertificateBytes = 16 * 1024;
const maxExtensions = 64;
const maxNames = 256;

const ids = {
  commonName: '2.5.4.3',
  organizationalUnit: '2.5.4.11',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  alternativeNames: '2.5.29.17',
  subjectKeyId: '2.5.29.14',
  authorityKeyId: '2.5.29.35',
};

/** Reads a certificate of at most 16 KiB. Throws `Fault('invalid')` for what two readers could read differently. */
export function readCertificate(x509: X509Certificate): CertificateFacts {
  if (x509.raw.length > maxCertificateBytes)
    throw unreadable(`expected a certificate of at most ${maxCertificateBytes} bytes`);
  try {
    return read(x509, parseWhole(x509.raw, Certificate));
  } catch (cause) {
    if (isFault(cause) && cause.code === 'vault.certificate') throw cause;
    throw unreadable('expected a certificate as in RFC 5280', cause);
  }
}

function read(x509: X509Certificate, { tbsCertificate }: Certificate): CertificateFacts {
  const listed = tbsCertificate.extensions ?? [];
  if (listed.length > maxExtensions) throw unreadable(`expected at most ${maxExtensions} extensions`);
  const extensions = new Map(listed.map(({ extnID, extnValue }) => [extnID, Buffer.from(extnValue.buffer)]));
  // RFC 5280 section 4.2: one of each kind; of two, every reader would believe another.
  if (extensions.size !== listed.length) throw unreadable('expected each extension once');
  const parse = <T>(id: string, type: new () => T): T | undefined => {
    const value = extensions.get(id);
    return value === undefined ? undefined : parseWhole(value, type);
  };
  // Some authorities write out the default, "no authority", which DER forbids.
  const plainEnd = extensions.get(ids.basicConstraints)?.toString('hex') === '3003010100';
  const constraints = plainEnd ? undefined : parse(ids.basicConstraints, BasicConstraints);
  const names = [...(parse(ids.alternativeNames, SubjectAlternativeName) ?? [])];
  if (names.length > maxNames) throw unreadable(`expected at most ${maxNames} alternative names`);
  const uses = parse(ids.extendedKeyUsage, ExtendedKeyUsage);
  const commonNames = attributes(tbsCertificate.subject, ids.commonName);
  if (commonNames.length > 1) throw unreadable('expected at most one common name');
  if (!/^[0-9A-Fa-f]+$/.test(x509.serialNumber)) throw unreadable('expected a positive serial number');
  return {
    x509,
    key: x509.publicKey,
    serial: serialText(x509.serialNumber),
    commonName: commonNames[0] ?? '',
    organizationalUnits: attributes(tbsCertificate.subject, ids.organizationalUnit),
    dnsNames: names.flatMap(({ dNSName }) => plain(dNSName)),
    emails: names.flatMap(({ rfc822Name }) => plain(rfc822Name)),
    uris: names.flatMap(({ uniformResourceIdentifier }) => plain(uniformResourceIdentifier)),
    extensions,
    critical: listed.filter(({ critical }) => critical).map(({ extnID }) => extnID),
    isAuthority: constraints?.cA === true,
    pathLength: constraints?.pathLenConstraint,
    keyUsages: parse(ids.keyUsage, KeyUsage)?.toJSON(),
    extendedKeyUsages: uses === undefined ? undefined : [...uses],
    isSelfIssued: x509.subject === x509.issuer,
    subjectKeyId: hexOf(parse(ids.subjectKeyId, SubjectKeyIdentifier)?.buffer),
    authorityKeyId: hexOf(parse(ids.authorityKeyId, AuthorityKeyIdentifier)?.keyIdentifier?.buffer),
  };
}

function attributes(name: Name, id: string): readonly string[] {
  return name.flatMap((part) => part.filter(({ type }) => type === id).map(({ value }) => value.toString()));
}

/** The one spelling of a serial number, by which certificates and revocation lists are compared. */
export function serialText(hex: string): string {
  return hex.toLowerCase().replace(/^0+(?=.)/, '');
}

function hexOf(bytes: ArrayBuffer | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString('hex');
}

/** Printable ASCII, as IA5String names are; a name with a NUL or a line feed in it matches no pattern. */
function plain(name: string | undefined): readonly string[] {
  return name !== undefined && /^[\x21-\x7e]+$/.test(name) ? [name] : [];
}

/** Reads one to `max` certificates of a PEM text; anything between them is passed over. Throws `Fault('invalid')`. */
export function readPemCertificates(pem: string, max: number): readonly CertificateFacts[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0 || blocks.length > max)
    throw unreadable(`expected 1 to ${max} certificates in PEM, got ${blocks.length}`);
  return blocks.map((block) => {
    let x509: X509Certificate;
    try {
      x509 = new X509Certificate(block);
    } catch (cause) {
      throw unreadable('expected certificates in PEM', cause);
    }
    return readCertificate(x509);
  });
}

function unreadable(message: string, cause?: unknown) {
  return refusedLogin('certificate', message, cause);
}
