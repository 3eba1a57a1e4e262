import { derExplicit, derFields } from '../asn1/fields.ts';
import { type DerNode, derFault, parseDer } from '../asn1/parse.ts';
import { contextTag, tags } from '../asn1/tags.ts';
import {
  derBitBytes,
  derBoolean,
  derIntegerBytes,
  derNumber,
  derOctets,
  derOid,
  derTime,
} from '../asn1/values.ts';
import { equalBytes } from '../bytes/bytes.ts';
import { readVerifyingKey, type VerifyingKey } from '../crypto/verifying-key.ts';
import { readSignatureAlgorithm, type SignatureAlgorithm } from './signed.ts';

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** What the extension's OCTET STRING holds. */
  readonly value: Uint8Array;
}

/** An X.509 certificate, version 3 (RFC 5280), as it stands: nothing of it is believed yet. */
export interface Certificate {
  /** The whole certificate in DER. */
  readonly raw: Uint8Array;
  /** TBSCertificate: what the signature is over. */
  readonly tbs: DerNode;
  /** The content of the INTEGER. */
  readonly serial: Uint8Array;
  /** Names in DER; compared as bytes, which is how every authority we meet writes and repeats them. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds since 1970; both ends belong to the validity. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly key: VerifyingKey;
  readonly extensions: readonly Extension[];
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

const maxCertificateBytes = 32_768;
const maxExtensions = 64;

/** Reads a certificate strictly; the same extension twice is refused (RFC 5280 section 4.2). */
export function parseCertificate(raw: Uint8Array): Certificate {
  const outer = derFields(parseDer(raw, { maxBytes: maxCertificateBytes }), 'certificate');
  const tbs = outer.take('tbsCertificate', tags.sequence);
  const algorithm = outer.take('signatureAlgorithm', tags.sequence);
  const signature = derBitBytes(outer.take('signature'), 'signature');
  outer.end();

  const fields = derFields(tbs, 'tbsCertificate');
  derNumber3(fields.take('version', contextTag(0, true)));
  const serial = derIntegerBytes(fields.take('serialNumber'), 'serialNumber', 21);
  const inner = fields.take('signature', tags.sequence);
  // RFC 5280 section 4.1.1.2: the algorithm outside of the signature must be the one inside.
  if (!equalBytes(inner.bytes, algorithm.bytes)) {
    throw derFault(algorithm.offset, 'the signature algorithm of the signed part', 'another');
  }
  const issuer = fields.take('issuer', tags.sequence).bytes;
  const validity = derFields(fields.take('validity'), 'validity');
  const notBefore = derTime(validity.take('notBefore'), 'notBefore');
  const notAfter = derTime(validity.take('notAfter'), 'notAfter');
  validity.end();
  const subject = fields.take('subject', tags.sequence).bytes;
  const key = readVerifyingKey(fields.take('subjectPublicKeyInfo', tags.sequence).bytes);
  const wrapped = fields.maybe(contextTag(3, true));
  fields.end();
  return {
    raw,
    tbs,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    key,
    extensions: wrapped === undefined ? [] : readExtensions(wrapped),
    algorithm: readSignatureAlgorithm(algorithm),
    signature,
  };
}

function derNumber3(version: DerNode): void {
  const number = derNumber(derExplicit(version, 'version', 0), 'version', 2);
  if (number !== 2) throw derFault(version.offset, 'a certificate of version 3', `version ${number + 1}`);
}

function readExtensions(wrapped: DerNode): readonly Extension[] {
  const nodes = derFields(derExplicit(wrapped, 'extensions', 3), 'extensions').rest();
  if (nodes.length > maxExtensions)
    throw derFault(wrapped.offset, `at most ${maxExtensions} extensions`, 'more');
  const seen = new Set<string>();
  return nodes.map((node) => {
    const fields = derFields(node, 'extension');
    const oid = derOid(fields.take('identifier'), 'identifier');
    if (seen.has(oid)) throw derFault(node.offset, 'each extension once', `${oid} again`);
    seen.add(oid);
    const flag = fields.maybe(tags.boolean);
    const critical = flag !== undefined && derBoolean(flag, 'critical');
    // X.690 section 11.5: what has its default value is left out.
    if (flag !== undefined && !critical) throw derFault(node.offset, 'no critical flag that is false', 'one');
    const value = derOctets(fields.take('value'), 'value');
    fields.end();
    return { oid, critical, value };
  });
}

/** The extension with this identifier, if the certificate has it. */
export function extensionOf(certificate: Certificate, oid: string): Extension | undefined {
  return certificate.extensions.find((each) => each.oid === oid);
}
