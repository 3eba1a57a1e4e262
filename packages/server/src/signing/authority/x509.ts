import { der, derBitBytes, derFields, derTags, parseDer, sha256 } from '@sallyport/formats';

/** Writes certificates (RFC 5280). Whoever reads them uses the parser in `formats`, Node's or OpenSSL's: not this file. */

export interface CertificateFields {
  /** 20 bytes at most, positive. */
  readonly serial: Uint8Array;
  /** DER of a Name. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKeySpki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

const ecdsaWithSha256 = der.sequence(der.oid('1.2.840.10045.4.3.2'));
const version3 = der.explicit(0, der.integer(2));

/** The part of a certificate that is signed. */
export function tbsCertificate(fields: CertificateFields): Uint8Array {
  return der.sequence(
    version3,
    der.integer(fields.serial),
    ecdsaWithSha256,
    fields.issuer,
    der.sequence(der.time(fields.notBefore), der.time(fields.notAfter)),
    fields.subject,
    fields.publicKeySpki,
    der.explicit(3, der.sequence(...fields.extensions)),
  );
}

export function certificate(tbs: Uint8Array, sign: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  return der.sequence(tbs, ecdsaWithSha256, der.bitString(sign(tbs)));
}

/** `O=organisation, CN=commonName`. */
export function nameOf(organisation: string, commonName: string): Uint8Array {
  const part = (oid: string, text: string) =>
    der.set(der.sequence(der.oid(oid), der.utf8String(text.slice(0, 64))));
  return der.sequence(part('2.5.4.10', organisation), part('2.5.4.3', commonName));
}

export const emptyName = der.sequence();

export function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  return der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

export const codeSigning = extension('2.5.29.37', false, der.sequence(der.oid('1.3.6.1.5.5.7.3.3')));
export const digitalSignature = extension('2.5.29.15', true, der.bitString(Uint8Array.of(0x80), 7));
export const signsCertificates = extension('2.5.29.15', true, der.bitString(Uint8Array.of(0x06), 1));

export function isAuthority(pathLength: number): Uint8Array {
  return extension('2.5.29.19', true, der.sequence(der.boolean(true), der.integer(pathLength)));
}

export function subjectKeyId(spki: Uint8Array): Uint8Array {
  return extension('2.5.29.14', false, der.octetString(keyIdentifier(spki)));
}

export function authorityKeyId(spki: Uint8Array): Uint8Array {
  return extension('2.5.29.35', false, der.sequence(der.context(0, keyIdentifier(spki))));
}

/** RFC 7093 section 2, method 1: the first 160 bits of SHA-256 over the key, where RFC 5280 has SHA-1. */
function keyIdentifier(spki: Uint8Array): Uint8Array {
  const fields = derFields(parseDer(spki), 'a public key');
  fields.take('its algorithm', derTags.sequence);
  return sha256(derBitBytes(fields.take('its bits'), 'a public key')).slice(0, 20);
}

export function toPem(certificateDer: Uint8Array): string {
  const lines =
    Buffer.from(certificateDer)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
