import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto';

/**
 * Makes certificates and revocation lists (RFC 5280) for tests, wrong ones too, which no tool would make. Written
 * against the RFC and not with the library that reads them, so that both cannot be wrong in the same way.
 */
export interface Issued {
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
  readonly name: Buffer;
}

export interface CertificateRequest {
  readonly commonName?: string;
  readonly organizationalUnits?: readonly string[];
  /** Who signs; the certificate signs itself when absent. */
  readonly issuer?: Issued;
  readonly serial?: bigint;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Of `extension`, in order. */
  readonly extensions?: readonly Buffer[];
}

const defaultNotBefore = new Date('2020-01-01T00:00:00Z');
const defaultNotAfter = new Date('2049-12-31T23:59:59Z');

export function issueCertificate(request: CertificateRequest): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = distinguishedName(request.commonName, request.organizationalUnits ?? []);
  const body = tlv(
    0x30,
    tlv(0xa0, integer(2n)),
    integer(request.serial ?? 1n),
    ecdsaSha256,
    request.issuer?.name ?? name,
    tlv(0x30, time(request.notBefore ?? defaultNotBefore), time(request.notAfter ?? defaultNotAfter)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(request.extensions === undefined ? [] : [tlv(0xa3, tlv(0x30, ...request.extensions))]),
  );
  const der = signed(body, request.issuer?.key ?? privateKey);
  return { pem: toPem('CERTIFICATE', der), certificate: new X509Certificate(der), key: privateKey, name };
}

export function revocationList(
  issuer: Issued,
  serials: readonly bigint[],
  nextUpdate: readonly Date[] = [defaultNotAfter],
): string {
  const revoked = serials.map((serial) => tlv(0x30, integer(serial), time(defaultNotBefore)));
  const body = tlv(
    0x30,
    integer(1n),
    ecdsaSha256,
    issuer.name,
    time(defaultNotBefore),
    ...nextUpdate.map(time),
    ...(revoked.length === 0 ? [] : [tlv(0x30, ...revoked)]),
  );
  return toPem('X509 CRL', signed(body, issuer.key));
}

export function extension(id: string, value: Buffer, critical = false): Buffer {
  return tlv(0x30, oid(id), ...(critical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));
}

export function basicConstraints(ca: boolean, pathLength?: number): Buffer {
  const parts = [
    ...(ca ? [tlv(0x01, Buffer.from([0xff]))] : []),
    ...(pathLength === undefined ? [] : [integer(BigInt(pathLength))]),
  ];
  return extension('2.5.29.19', tlv(0x30, ...parts), true);
}

/** Bits as RFC 5280 section 4.2.1.3 numbers them: 0 digitalSignature, 5 keyCertSign. */
export function keyUsage(...bits: readonly number[]): Buffer {
  const value = bits.reduce((all, bit) => all | (0x80 >> bit), 0);
  return extension('2.5.29.15', tlv(0x03, Buffer.from([0, value])), true);
}

export const clientAuth = '1.3.6.1.5.5.7.3.2';
export const serverAuth = '1.3.6.1.5.5.7.3.1';

export function extendedKeyUsage(...purposes: readonly string[]): Buffer {
  return extension('2.5.29.37', tlv(0x30, ...purposes.map(oid)));
}

export function alternativeNames(names: {
  readonly dns?: readonly string[];
  readonly emails?: readonly string[];
  readonly uris?: readonly string[];
  readonly ips?: readonly Buffer[];
}): Buffer {
  const parts = [
    ...(names.emails ?? []).map((name) => tlv(0x81, Buffer.from(name, 'latin1'))),
    ...(names.dns ?? []).map((name) => tlv(0x82, Buffer.from(name, 'latin1'))),
    ...(names.uris ?? []).map((name) => tlv(0x86, Buffer.from(name, 'latin1'))),
    ...(names.ips ?? []).map((address) => tlv(0x87, address)),
  ];
  return extension('2.5.29.17', tlv(0x30, ...parts));
}

export const utf8String = (text: string): Buffer => tlv(0x0c, Buffer.from(text));

export const authority: readonly Buffer[] = [basicConstraints(true), keyUsage(5)];

/** An authority and a certificate of it for a server on the loopback interface. */
export function loopbackServer(): { readonly ca: Issued; readonly server: Issued } {
  const ca = issueCertificate({ commonName: 'test authority', extensions: authority });
  const names = alternativeNames({ dns: ['localhost'], ips: [Buffer.from([127, 0, 0, 1])] });
  const server = issueCertificate({ commonName: 'server', issuer: ca, serial: 2n, extensions: [names] });
  return { ca, server };
}

const ecdsaSha256 = tlv(0x30, oid('1.2.840.10045.4.3.2'));

function signed(body: Buffer, key: KeyObject): Buffer {
  return tlv(0x30, body, ecdsaSha256, tlv(0x03, Buffer.from([0]), sign('sha256', body, key)));
}

function distinguishedName(commonName: string | undefined, units: readonly string[]): Buffer {
  const part = (id: string, text: string) => tlv(0x31, tlv(0x30, oid(id), utf8String(text)));
  return tlv(
    0x30,
    ...units.map((unit) => part('2.5.4.11', unit)),
    ...(commonName === undefined ? [] : [part('2.5.4.3', commonName)]),
  );
}

function time(date: Date): Buffer {
  return tlv(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}

function integer(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return tlv(0x02, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

function oid(id: string): Buffer {
  const [first = 0, second = 0, ...rest] = id.split('.').map(Number);
  const base128 = (value: number): number[] => {
    const digits = [value & 0x7f];
    for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  };
  return tlv(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function tlv(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
