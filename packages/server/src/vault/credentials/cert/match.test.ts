import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { isFault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFields } from '../../fields.ts';
import {
  alternativeNames,
  authority,
  basicConstraints,
  type CertificateRequest,
  clientAuth,
  extendedKeyUsage,
  extension,
  type Issued,
  issueCertificate,
  keyUsage,
  revocationList,
  serverAuth,
  utf8String,
} from '../certificates.fixture.ts';
import { readPemCertificates } from './certificate.ts';
import { decideCertLogin, readPresented } from './match.ts';
import { parseCrl } from './revocation.ts';
import { parseCertRole } from './role.ts';

const now = new Date('2026-11-20T12:00:00Z');
const root = issueCertificate({ commonName: 'root', serial: 100n, extensions: authority });
const roleOf = (trusted: Issued, fields: object = {}) =>
  parseCertRole('web', createFields({ certificate: trusted.pem, ...fields }));
const under = (issuer: Issued, request: CertificateRequest = {}) =>
  issueCertificate({ commonName: 'client', serial: 7n, issuer, ...request });
const middle = (
  issuer: Issued,
  name: string,
  extensions: readonly Buffer[] = authority,
  over: CertificateRequest = {},
) => issueCertificate({ commonName: name, serial: 50n, issuer, extensions, ...over });

function login(
  role: ReturnType<typeof roleOf>,
  shown: readonly Issued[],
  revoked: readonly string[] = [],
  at = now,
) {
  const presented = readPresented(shown.map(({ certificate }) => certificate));
  return decideCertLogin([role], presented, new Set(revoked), at).login;
}
const refused = expect.objectContaining({ kind: 'invalid', code: 'vault.certificate' });

describe('the chain of a client certificate', () => {
  it('ends at an authority of the role', () => {
    const client = under(root, { extensions: [keyUsage(0), extendedKeyUsage(clientAuth)] });

    expect(login(roleOf(root), [client]).alias.name).toBe('client');
  });

  it('goes over authorities that the client sends, in any order', () => {
    const first = middle(root, 'first');
    const second = middle(first, 'second');
    const client = under(second);

    for (const between of [
      [first, second],
      [second, first],
      [root, second, first, middle(root, 'stray')],
    ])
      expect(login(roleOf(root), [client, ...between]).alias.name).toBe('client');
    expect(() => login(roleOf(root), [client, first])).toThrow(refused);
    expect(login(roleOf(first), [client, second]).alias.name).toBe('client');
  });

  it('may end at the certificate itself, if the role trusts that', () => {
    const itself = issueCertificate({ commonName: 'alone' });

    expect(login(roleOf(itself), [itself]).alias.name).toBe('alone');
    expect(() => login(roleOf(itself), [under(itself)])).toThrow(refused);
    expect(() => login(roleOf(itself), [issueCertificate({ commonName: 'alone' })])).toThrow(refused);
    expect(() => login(roleOf(itself), [itself], [], new Date('2050-01-02'))).toThrow(refused);
  });

  it.each([
    ['another authority', () => [under(issueCertificate({ commonName: 'root', extensions: authority }))]],
    ['itself', () => [issueCertificate({ commonName: 'client' })]],
    ['an end that plays authority', () => [under(under(root)), under(root)]],
    ['an authority without the constraint', () => chainOver(keyUsage(5))],
    ['an authority that says it is none', () => chainOver(basicConstraints(false), keyUsage(5))],
    ['an authority that may not sign certificates', () => chainOver(basicConstraints(true), keyUsage(0))],
    ['an authority for servers only', () => chainOver(...authority, extendedKeyUsage(serverAuth))],
    [
      'an authority with name constraints',
      () => chainOver(...authority, extension('2.5.29.30', Buffer.from('3000', 'hex'))),
    ],
    [
      'an unknown critical extension above',
      () => chainOver(...authority, extension('1.2.3.4', utf8String('x'), true)),
    ],
    [
      'an expired authority',
      () => {
        const old = middle(root, 'old', authority, { notAfter: new Date('2026-11-20T11:59:59Z') });
        return [under(old), old];
      },
    ],
    ['an expired certificate', () => [under(root, { notAfter: new Date('2026-11-20T11:59:59Z') })]],
    ['a certificate of tomorrow', () => [under(root, { notBefore: new Date('2026-11-20T12:00:01Z') })]],
    ['a certificate for servers', () => [under(root, { extensions: [extendedKeyUsage(serverAuth)] })]],
    ['a certificate that may not sign', () => [under(root, { extensions: [keyUsage(2)] })]],
    [
      'an unknown critical extension',
      () => [under(root, { extensions: [extension('1.2.3.4', utf8String('x'), true)] })],
    ],
    ['no common name', () => [issueCertificate({ issuer: root, serial: 7n })]],
  ] as ReadonlyArray<readonly [string, () => readonly Issued[]]>)('is refused with %s', (_name, shown) => {
    expect(() => login(roleOf(root), shown())).toThrow(refused);
  });

  function chainOver(...extensions: readonly Buffer[]): readonly Issued[] {
    const between = middle(root, 'between', extensions);
    return [under(between), between];
  }

  it('is as long as its authorities allow', () => {
    const zero = issueCertificate({
      commonName: 'zero',
      extensions: [basicConstraints(true, 0), keyUsage(5)],
    });
    const below = middle(zero, 'below');
    const one = issueCertificate({ commonName: 'one', extensions: [basicConstraints(true, 1), keyUsage(5)] });
    const self = middle(one, 'one');
    const last = middle(self, 'last');

    expect(login(roleOf(zero), [under(zero)]).alias.name).toBe('client');
    expect(() => login(roleOf(zero), [under(below), below])).toThrow(refused);
    // The authority "one" under "one" only renewed its key and is not counted.
    expect(login(roleOf(one), [under(last), last, self]).alias.name).toBe('client');
    const more = middle(last, 'more');
    expect(() => login(roleOf(one), [under(more), more, last, self])).toThrow(refused);
  });

  it('is searched with a bounded effort', () => {
    const decoys = Array.from({ length: 7 }, () => middle(root, 'decoy'));
    const stranger = issueCertificate({ commonName: 'decoy', extensions: authority });
    const started = performance.now();

    expect(() =>
      login(roleOf(issueCertificate({ commonName: 'decoy', extensions: authority })), [
        under(stranger),
        ...decoys,
      ]),
    ).toThrow(refused);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(() => login(roleOf(root), [under(root), ...decoys, stranger])).toThrow(/at most 8/);
  });

  it('is not there without a certificate', () => {
    expect(() => readPresented([])).toThrow(/no client certificate found/);
  });
});

describe('a role for certificates', () => {
  const client = under(root, {
    commonName: 'orders.example',
    organizationalUnits: ['payments', 'eu'],
    extensions: [
      alternativeNames({
        dns: ['orders.internal', 'evil\0.internal'],
        emails: ['ops@orders.example'],
        uris: ['spiffe://acme/orders'],
      }),
      extension('1.2.3.45', utf8String('prod-eu')),
      extension('1.2.3.46', Buffer.from('0403aabbcc', 'hex')),
    ],
  });

  it.each([
    [{ allowed_names: 'orders.*' }],
    [{ allowed_names: ['x', '*.internal'] }],
    [{ allowed_names: '*@orders.example' }],
    [{ allowed_common_names: 'orders.example' }],
    [{ allowed_dns_sans: 'orders.internal' }],
    [{ allowed_email_sans: 'ops@*' }],
    [{ allowed_uri_sans: 'spiffe://acme/*' }],
    [{ allowed_organizational_units: ['eu', 'us'] }],
    [{ required_extensions: '1.2.3.45:prod-*' }],
    [{ required_extensions: ['1.2.3.45:prod-eu', 'hex:1.2.3.46:0403AABB*'] }],
  ])('lets in by %j', (fields) => {
    expect(login(roleOf(root, fields), [client]).metadata['cert_name']).toBe('web');
  });

  it.each([
    [{ allowed_names: 'spiffe://acme/orders' }],
    [{ allowed_names: 'orders' }],
    [{ allowed_common_names: 'orders.internal' }],
    [{ allowed_dns_sans: 'orders.example' }],
    [{ allowed_dns_sans: 'evil*' }],
    [{ allowed_email_sans: 'orders.internal' }],
    [{ allowed_uri_sans: 'spiffe://acme/orders/*' }],
    [{ allowed_organizational_units: 'payment' }],
    [{ required_extensions: '1.2.3.45:stage-*' }],
    [{ required_extensions: '1.2.3.46:*' }],
    [{ required_extensions: '1.2.3.47:*' }],
    [{ required_extensions: ['1.2.3.45:prod-eu', '1.2.3.47:x'] }],
    [{ allowed_common_names: 'orders.example', allowed_dns_sans: 'nobody' }],
  ])('keeps out by %j', (fields) => {
    expect(() => login(roleOf(root, fields), [client])).toThrow(/no chain matching all constraints/);
  });

  it('gives what is known of the certificate as metadata', () => {
    const fields = { display_name: 'Orders', allowed_metadata_extensions: ['1.2.3.45', '1.2.3.46'] };

    expect(login(roleOf(root, fields), [client])).toMatchObject({
      displayName: 'Orders',
      metadata: {
        cert_name: 'web',
        common_name: 'orders.example',
        serial_number: '7',
        subject_key_id: '',
        '1-2-3-45': 'prod-eu',
      },
    });
  });

  it('shows key identifiers as OpenSSL does', () => {
    const keyId = Buffer.from('0001feff', 'hex');
    const ca = issueCertificate({
      commonName: 'ca',
      extensions: [...authority, extension('2.5.29.14', Buffer.concat([Buffer.from('0404', 'hex'), keyId]))],
    });
    const leaf = under(ca, {
      extensions: [extension('2.5.29.35', Buffer.concat([Buffer.from('30068004', 'hex'), keyId]))],
    });

    expect(login(roleOf(ca), [leaf]).metadata['authority_key_id']).toBe('00:01:fe:ff');
  });

  it('is the first that fits', () => {
    const presented = readPresented([client.certificate]);
    const roles = [
      parseCertRole('other', createFields({ certificate: issueCertificate({ extensions: authority }).pem })),
      parseCertRole('narrow', createFields({ certificate: root.pem, allowed_common_names: 'x' })),
      parseCertRole('wide', createFields({ certificate: root.pem })),
    ];

    expect(decideCertLogin(roles, presented, new Set(), now).role.name).toBe('wide');
    expect(() => decideCertLogin([], presented, new Set(), now)).toThrow(refused);
  });

  it.each([
    [{ certificate: '' }],
    [{ certificate: 'x' }],
    [{ certificate: root.pem.replaceAll('CERTIFICATE', 'X') }],
    [{ certificate: root.pem.slice(0, 200) + root.pem.slice(240) }],
    [{ certificate: root.pem.repeat(33) }],
    [{ required_extensions: '1.2.3' }],
    [{ required_extensions: 'a.b:c' }],
    [{ required_extensions: 'hex:1.2.3' }],
    [{ ocsp_enabled: true }],
  ])('is refused where it is written: %.60j', (fields) => {
    expect(() => roleOf(root, fields)).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });
});

describe('a revocation list', () => {
  it('keeps out a certificate and all below a revoked authority', () => {
    const between = middle(root, 'between');
    const client = under(between, { serial: 0xabcdefn });
    const shown = [client, between];

    expect(login(roleOf(root), shown, parseCrl(revocationList(root, [1n, 0xabcdeen]))).alias.name).toBe(
      'client',
    );
    expect(() => login(roleOf(root), shown, parseCrl(revocationList(root, [0xabcdefn])))).toThrow(refused);
    expect(() => login(roleOf(root), shown, parseCrl(revocationList(root, [50n])))).toThrow(refused);
  });

  it('is refused when its reader would lose what it revokes', () => {
    expect(() => parseCrl(revocationList(root, [7n], []))).toThrow(/next update/);
  });

  it('gives serial numbers in one spelling', () => {
    expect(parseCrl(revocationList(root, [0xabn, 0x80n, 1n, 1n]))).toEqual(['ab', '80', '1']);
    expect(parseCrl(revocationList(root, []))).toEqual([]);
  });

  it.each([
    '',
    'x',
    root.pem,
    '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----',
    'x'.repeat(5_000_000),
  ])('is refused when it is none: %.30j', (pem) => {
    expect(() => parseCrl(pem)).toThrow(expect.objectContaining({ kind: 'invalid', code: 'vault.setting' }));
  });
});

describe('a certificate', () => {
  it('of every authority that Node trusts is read whole', () => {
    for (const pem of rootCertificates)
      expect(readPemCertificates(pem, 1)).toMatchObject([{ isAuthority: true }]);
  });

  it('may write out that it is no authority', () => {
    const plain = under(root, { extensions: [extension('2.5.29.19', Buffer.from('3003010100', 'hex'))] });

    expect(login(roleOf(root), [plain]).alias.name).toBe('client');
  });

  it.each([
    ['an extension twice', [keyUsage(0), keyUsage(0)]],
    [
      'a path length behind unknown bytes',
      [extension('2.5.29.19', Buffer.from('30090101ff0401000201', 'hex'))],
    ],
    [
      'bytes after an extension',
      [extension('2.5.29.37', Buffer.from('300a06082b060105050703020500', 'hex'))],
    ],
  ])('with %s is refused', (_name, extensions) => {
    expect(() => login(roleOf(root), [under(root, { extensions })])).toThrow(refused);
  });
});

describe('a certificate with changed bytes', () => {
  const client = under(root, {
    extensions: [keyUsage(0), extendedKeyUsage(clientAuth), alternativeNames({ dns: ['a.example'] })],
  });

  it('never opens a role, and fails with nothing but faults', () => {
    const role = roleOf(root);
    const { raw } = client.certificate;
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.from(raw);
        bytes[at] = (bytes[at] ?? 0) ^ change;
        let certificate: X509Certificate;
        try {
          certificate = new X509Certificate(bytes);
        } catch {
          // OpenSSL would have ended the handshake.
          return;
        }
        try {
          decideCertLogin([role], readPresented([certificate]), new Set(), now);
        } catch (error) {
          expect(isFault(error) && error.kind).toBe('invalid');
          return;
        }
        expect.unreachable('a changed certificate was accepted');
      }),
      { numRuns: 1500 },
    );
  });
});
