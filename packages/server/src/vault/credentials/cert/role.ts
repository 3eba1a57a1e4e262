import type { Fields } from '../../fields.ts';
import { invalidSetting } from '../login.ts';
import { type CertificateFacts, readPemCertificates } from './certificate.ts';

/** An extension that a certificate must have. */
export interface RequiredExtension {
  readonly id: string;
  /** Whether the pattern is for the DER in hexadecimal, else for the text inside. */
  readonly inHex: boolean;
  readonly pattern: string;
}

/** A role of auth/cert, beside the parameters of its tokens. Empty lists ask nothing. */
export interface CertRole {
  readonly name: string;
  readonly displayName: string;
  /** Authorities, or certificates that are trusted themselves. */
  readonly trusted: readonly CertificateFacts[];
  readonly allowedNames: readonly string[];
  readonly allowedCommonNames: readonly string[];
  readonly allowedDnsSans: readonly string[];
  readonly allowedEmailSans: readonly string[];
  readonly allowedUriSans: readonly string[];
  readonly allowedOrganizationalUnits: readonly string[];
  readonly requiredExtensions: readonly RequiredExtension[];
  /** Numbers of extensions whose text goes into the metadata. */
  readonly metadataExtensions: readonly string[];
}

const maxTrusted = 32;
const idPattern = /^[0-2](?:\.(?:0|[1-9][0-9]{0,9})){1,24}$/;

/** Reads the fields of `POST auth/<mount>/certs/<name>` as Vault names them. Throws `Fault('invalid')`. */
export function parseCertRole(name: string, fields: Fields): CertRole {
  // To ignore the setting would let in whom the operator thinks is checked.
  if (fields.boolean('ocsp_enabled', false))
    throw invalidSetting("'ocsp_enabled' is not supported, expected false");
  return {
    name,
    displayName: fields.text('display_name') || name,
    trusted: readPemCertificates(fields.text('certificate'), maxTrusted),
    allowedNames: fields.list('allowed_names'),
    allowedCommonNames: fields.list('allowed_common_names'),
    allowedDnsSans: fields.list('allowed_dns_sans'),
    allowedEmailSans: fields.list('allowed_email_sans'),
    allowedUriSans: fields.list('allowed_uri_sans'),
    allowedOrganizationalUnits: fields.list('allowed_organizational_units'),
    requiredExtensions: fields.list('required_extensions').map(readRequired),
    metadataExtensions: fields.list('allowed_metadata_extensions').map(readId),
  };
}

/** "1.2.3:text*" or "hex:1.2.3:0c0474657874". */
function readRequired(text: string): RequiredExtension {
  const inHex = text.startsWith('hex:');
  const rest = inHex ? text.slice(4) : text;
  const at = rest.indexOf(':');
  if (at === -1)
    throw invalidSetting(
      "expected each of 'required_extensions' as <number>:<value> or hex:<number>:<value>",
    );
  const pattern = rest.slice(at + 1);
  return { id: readId(rest.slice(0, at)), inHex, pattern: inHex ? pattern.toLowerCase() : pattern };
}

function readId(text: string): string {
  if (!idPattern.test(text)) throw invalidSetting('expected the number of an extension, like 1.2.3.4');
  return text;
}
