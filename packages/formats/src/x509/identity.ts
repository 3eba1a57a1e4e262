import { derExplicit, derFields } from '../asn1/fields.ts';
import { derFault, parseDer } from '../asn1/parse.ts';
import { contextTag } from '../asn1/tags.ts';
import { derAscii, derOid, derText } from '../asn1/values.ts';
import { fromUtf8 } from '../bytes/bytes.ts';
import { type Certificate, extensionOf } from './certificate.ts';
import { fulcioArc, oids } from './oids.ts';

/** Who a certificate of a Sigstore authority was issued to. */
export interface CertificateIdentity {
  readonly kind: 'email' | 'uri' | 'username';
  /** The one subject alternative name. */
  readonly name: string;
  /** Issuer of the identity token: 1.3.6.1.4.1.57264.1.8, or .1.1 of older certificates. */
  readonly issuer: string | undefined;
  /** What else the token said: the number below 1.3.6.1.4.1.57264.1 to the text. */
  readonly claims: Readonly<Record<string, string>>;
}

/**
 * Reads the identity (Fulcio's certificate specification). A second name is refused: a policy would match one of them
 * while the holder has the rights of the other.
 */
export function identityOf(certificate: Certificate): CertificateIdentity {
  const claims = readClaims(certificate);
  const [older, newer] = [claims['1'], claims['8']];
  if (older !== undefined && newer !== undefined && older !== newer) {
    throw derFault(0, 'one issuer of the identity', 'two');
  }
  return { ...readName(certificate), issuer: newer ?? older, claims };
}

function readName(certificate: Certificate): Pick<CertificateIdentity, 'kind' | 'name'> {
  const extension = extensionOf(certificate, oids.subjectAltName);
  if (extension === undefined) throw derFault(0, 'a subject alternative name', 'none');
  const names = derFields(parseDer(extension.value), 'subjectAltName').rest();
  const [name, second] = names;
  if (name === undefined || second !== undefined) {
    throw derFault(0, 'exactly one subject alternative name', String(names.length));
  }
  switch (name.tag) {
    case contextTag(1, false):
      return { kind: 'email', name: derAscii(name, 'email') };
    case contextTag(6, false):
      return { kind: 'uri', name: derAscii(name, 'URI') };
    case contextTag(0, true): {
      const fields = derFields(name, 'otherName', contextTag(0, true));
      const type = derOid(fields.take('type'), 'type');
      const value = derExplicit(fields.take('value'), 'value', 0);
      fields.end();
      if (type !== oids.fulcioOtherName) throw derFault(name.offset, 'a user name of Sigstore', type);
      return { kind: 'username', name: derText(value, 'user name') };
    }
    default:
      throw derFault(name.offset, 'an email, URI or user name', `tag 0x${name.tag.toString(16)}`);
  }
}

/** Extensions 1 to 6 hold bare text, those from 8 on a UTF8String. */
function readClaims(certificate: Certificate): Readonly<Record<string, string>> {
  const claims: Record<string, string> = {};
  for (const { oid, value } of certificate.extensions) {
    if (!oid.startsWith(fulcioArc)) continue;
    const number = oid.slice(fulcioArc.length);
    if (!/^[1-9][0-9]{0,2}$/.test(number) || number === '7') continue;
    claims[number] = Number(number) <= 6 ? fromUtf8(value) : derText(parseDer(value), `claim ${number}`);
  }
  return claims;
}
