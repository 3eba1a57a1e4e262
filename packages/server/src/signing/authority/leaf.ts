import { concatBytes, der, sha256, utf8 } from '@sallyport/formats';
import type { Principal } from '../federation/principal.ts';
import {
  authorityKeyId,
  codeSigning,
  digitalSignature,
  emptyName,
  extension,
  subjectKeyId,
  tbsCertificate,
} from './x509.ts';

export const leafSeconds = 600;

const fulcioArc = '1.3.6.1.4.1.57264.1';
const sctListOid = '1.3.6.1.4.1.11129.2.4.2';

export interface LeafRequest {
  readonly principal: Principal;
  readonly publicKeySpki: Uint8Array;
  readonly serial: Uint8Array;
  readonly at: Date;
  readonly issuer: { readonly name: Uint8Array; readonly publicKeySpki: Uint8Array };
}

/**
 * What a certificate of ten minutes says, as fulcio/docs/certificate-specification.md has it: one critical name, who
 * vouched for it and what they said.
 */
export function leafExtensions({ principal, publicKeySpki, issuer }: LeafRequest): readonly Uint8Array[] {
  return [
    digitalSignature,
    codeSigning,
    subjectKeyId(publicKeySpki),
    authorityKeyId(issuer.publicKeySpki),
    alternativeName(principal.name),
    ...identityExtensions(principal),
  ];
}

/**
 * The part that is signed, without a subject. With `sct`, the list of signed timestamps is its last extension; without,
 * it is what the timestamp is made over (RFC 6962 section 3.2: the TBSCertificate without poison and list).
 */
export function leafTbs(
  { publicKeySpki, serial, at, issuer }: LeafRequest,
  extensions: readonly Uint8Array[],
  sct?: Uint8Array,
): Uint8Array {
  return tbsCertificate({
    serial,
    issuer: issuer.name,
    subject: emptyName,
    notBefore: at,
    notAfter: new Date(at.getTime() + leafSeconds * 1000),
    publicKeySpki,
    extensions: sct === undefined ? extensions : [...extensions, sctList(sct)],
  });
}

function alternativeName({ kind, value }: Principal['name']): Uint8Array {
  // GeneralName of RFC 5280 section 4.2.1.6: rfc822Name [1], uniformResourceIdentifier [6].
  const name = der.context(kind === 'email' ? 1 : 6, utf8(value));
  return extension('2.5.29.17', true, der.sequence(name));
}

/** Up to 7 the text stands raw in the extension, from 8 on as a UTF8String: fulcio/docs/oid-info.md. */
function identityExtensions({ issuer, extensions }: Principal): Uint8Array[] {
  const all = new Map([[1, issuer], [8, issuer], ...extensions]);
  return [...all]
    .toSorted(([a], [b]) => a - b)
    .map(([arc, text]) =>
      extension(`${fulcioArc}.${arc}`, false, arc < 8 ? utf8(text) : der.utf8String(text)),
    );
}

/** RFC 6962 section 3.3: an octet string in the extension's octet string, around a list with one timestamp. */
function sctList(sct: Uint8Array): Uint8Array {
  return extension(sctListOid, false, der.octetString(prefixed(2, prefixed(2, sct))));
}

/**
 * What the log signs, and what it keeps as its leaf: RFC 6962 sections 3.2 and 3.4 give both the same bytes for a
 * precertificate, `version, 0, timestamp, precert_entry, issuer_key_hash, tbs, no extensions`.
 */
export function timestampedEntry(tbs: Uint8Array, issuerSpki: Uint8Array, at: Date): Uint8Array {
  return concatBytes(
    Uint8Array.of(0, 0),
    bigEndian(8, at.getTime()),
    Uint8Array.of(0, 1),
    sha256(issuerSpki),
    prefixed(3, tbs),
    Uint8Array.of(0, 0),
  );
}

/** A SignedCertificateTimestamp by an ECDSA key with SHA-256 (RFC 6962 section 3.2, RFC 5246 section 7.4.1.4.1). */
export function signedTimestamp(logSpki: Uint8Array, at: Date, signature: Uint8Array): Uint8Array {
  return concatBytes(
    Uint8Array.of(0),
    sha256(logSpki),
    bigEndian(8, at.getTime()),
    Uint8Array.of(0, 0, 4, 3),
    prefixed(2, signature),
  );
}

function prefixed(lengthBytes: number, content: Uint8Array): Uint8Array {
  return concatBytes(bigEndian(lengthBytes, content.length), content);
}

function bigEndian(sizeBytes: number, value: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let rest = value;
  for (let at = sizeBytes - 1; at >= 0; at -= 1) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}
