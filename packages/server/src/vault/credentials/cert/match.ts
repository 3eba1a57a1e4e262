import type { X509Certificate } from 'node:crypto';
import { matchesAnyGlob, matchesGlob } from '../glob.ts';
import { type Login, refusedLogin } from '../login.ts';
import { type CertificateFacts, readCertificate } from './certificate.ts';
import { type Chain, findChain, isUsableAlone } from './chain.ts';
import { isRevoked } from './revocation.ts';
import type { CertRole, RequiredExtension } from './role.ts';

const maxPresented = 8;

/** What a client showed in its TLS handshake, read once for all roles. */
export interface Presented {
  readonly end: CertificateFacts;
  readonly between: readonly CertificateFacts[];
}

/**
 * Reads the certificates of a TLS connection, the client's own first. The handshake must have proven that the client
 * holds the key of the first; nothing else about them is believed. Throws `Fault('invalid')`.
 */
export function readPresented(certificates: readonly X509Certificate[]): Presented {
  if (certificates.length > maxPresented)
    throw refusedLogin('certificate', `expected at most ${maxPresented} certificates`);
  const [end, ...between] = certificates.map(readCertificate);
  if (end === undefined) throw refusedLogin('certificate', 'no client certificate found');
  return { end, between };
}

/**
 * The login of the first of `roles` that the certificate opens. `revoked` are the serial numbers of all lists of the
 * mount. Synchronous and pure; at most 64 signatures are verified for each role. Throws `Fault('invalid')`.
 */
export function decideCertLogin(
  roles: readonly CertRole[],
  presented: Presented,
  revoked: Pick<ReadonlySet<string>, 'has'>,
  now: Date,
): { readonly role: CertRole; readonly login: Login } {
  let chained = false;
  for (const role of roles) {
    const chain = chainTo(role, presented, now);
    if (chain === undefined || isRevoked(chain, revoked)) continue;
    chained = true;
    if (matches(role, presented.end)) return { role, login: loginOf(role, presented.end) };
  }
  throw refusedLogin(
    'certificate',
    chained
      ? 'no chain matching all constraints could be found for this login certificate'
      : 'invalid certificate or no client certificate supplied',
  );
}

function chainTo(role: CertRole, { end, between }: Presented, now: Date): Chain | undefined {
  const authorities = role.trusted.filter(({ isAuthority }) => isAuthority);
  const itself = role.trusted.some(({ isAuthority, x509 }) => !isAuthority && x509.raw.equals(end.x509.raw));
  if (itself) return isUsableAlone(end, now) ? [end] : undefined;
  return findChain(end, between, authorities, now);
}

function matches(role: CertRole, end: CertificateFacts): boolean {
  const { commonName, dnsNames, emails, uris, organizationalUnits } = end;
  const someAllowed = (patterns: readonly string[], names: readonly string[]) =>
    patterns.length === 0 || names.some((name) => matchesAnyGlob(patterns, name));
  return (
    someAllowed(role.allowedNames, [commonName, ...dnsNames, ...emails]) &&
    someAllowed(role.allowedCommonNames, [commonName]) &&
    someAllowed(role.allowedDnsSans, dnsNames) &&
    someAllowed(role.allowedEmailSans, emails) &&
    someAllowed(role.allowedUriSans, uris) &&
    someAllowed(role.allowedOrganizationalUnits, organizationalUnits) &&
    role.requiredExtensions.every((required) => hasExtension(end, required))
  );
}

function hasExtension({ extensions }: CertificateFacts, { id, inHex, pattern }: RequiredExtension): boolean {
  const value = extensions.get(id);
  const text = inHex ? value?.toString('hex') : textOf(value);
  return text !== undefined && matchesGlob(pattern, text);
}

/** UTF8String, NumericString, PrintableString, IA5String and VisibleString; all but the first are ASCII. */
const textTags = new Set([0x0c, 0x12, 0x13, 0x16, 0x1a]);

/** The text of an extension that is one DER string and nothing after it. */
function textOf(value: Buffer | undefined): string | undefined {
  const [tag = 0, first = 0] = value ?? [];
  if (value === undefined || !textTags.has(tag)) return undefined;
  const sizeBytes = first < 0x80 ? 0 : first - 0x80;
  // DER writes lengths in the fewest bytes; a text longer than 64 KiB does not fit into a certificate of ours.
  if (sizeBytes > 2 || value.length < 2 + sizeBytes) return undefined;
  const length = sizeBytes === 0 ? first : value.readUIntBE(2, sizeBytes);
  const content = value.subarray(2 + sizeBytes);
  return content.length === length ? content.toString() : undefined;
}

function loginOf(role: CertRole, end: CertificateFacts): Login {
  if (end.commonName === '')
    throw refusedLogin('certificate', 'expected a client certificate with a common name');
  const extras = role.metadataExtensions.flatMap((id) => {
    const text = textOf(end.extensions.get(id));
    return text === undefined ? [] : [[id.replaceAll('.', '-'), text] as const];
  });
  const metadata = {
    cert_name: role.name,
    common_name: end.commonName,
    serial_number: BigInt(`0x${end.serial}`).toString(),
    subject_key_id: colons(end.subjectKeyId),
    authority_key_id: colons(end.authorityKeyId),
    ...Object.fromEntries(extras),
  };
  return {
    alias: { name: end.commonName, metadata },
    metadata,
    groups: [],
    displayName: role.displayName,
  };
}

function colons(hex: string): string {
  return hex.replace(/..(?=.)/g, '$&:');
}
