import { derFields, expectTag } from '../asn1/fields.ts';
import { derFault, parseDer } from '../asn1/parse.ts';
import { tags } from '../asn1/tags.ts';
import { derBoolean, derNumber, derOid } from '../asn1/values.ts';
import { type Certificate, extensionOf } from './certificate.ts';
import { oids } from './oids.ts';

/** What a certificate's key may be used for (RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12). */
interface Usage {
  readonly isAuthority: boolean;
  /** How many authorities may follow below it; undefined when nothing limits them. */
  readonly pathLength: number | undefined;
  /** Undefined when the certificate does not limit the uses of its key. */
  readonly keyUsage: { readonly digitalSignature: boolean; readonly signsCertificates: boolean } | undefined;
  /** Identifiers of purposes; undefined when the certificate does not limit them. */
  readonly purposes: readonly string[] | undefined;
  readonly purposesCritical: boolean;
}

export function usageOf(certificate: Certificate): Usage {
  const purposes = extensionOf(certificate, oids.extKeyUsage);
  return {
    ...constraints(certificate),
    keyUsage: keyUsage(certificate),
    purposes: purposes === undefined ? undefined : readPurposes(purposes.value),
    purposesCritical: purposes?.critical === true,
  };
}

function constraints(certificate: Certificate): Pick<Usage, 'isAuthority' | 'pathLength'> {
  const extension = extensionOf(certificate, oids.basicConstraints);
  if (extension === undefined) return { isAuthority: false, pathLength: undefined };
  const fields = derFields(parseDer(extension.value), 'basicConstraints');
  const flag = fields.maybe(tags.boolean);
  const isAuthority = flag !== undefined && derBoolean(flag, 'cA');
  const length = fields.maybe(tags.integer);
  fields.end();
  return { isAuthority, pathLength: length === undefined ? undefined : derNumber(length, 'pathLen', 255) };
}

function keyUsage(certificate: Certificate): Usage['keyUsage'] {
  const extension = extensionOf(certificate, oids.keyUsage);
  if (extension === undefined) return undefined;
  const bits = expectTag(parseDer(extension.value), 'keyUsage', tags.bitString).content;
  const first = bits[1] ?? 0;
  return { digitalSignature: (first & 0x80) !== 0, signsCertificates: (first & 0x04) !== 0 };
}

function readPurposes(value: Uint8Array): readonly string[] {
  const node = parseDer(value);
  const purposes = derFields(node, 'extKeyUsage').rest();
  if (purposes.length === 0 || purposes.length > 32) throw derFault(0, '1 to 32 purposes', 'another number');
  return purposes.map((each) => derOid(each, 'purpose'));
}
