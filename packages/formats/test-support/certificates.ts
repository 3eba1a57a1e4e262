import { createHash } from 'node:crypto';
import { der, fromHex, sha256 } from '../src/index.ts';
import type { TestKey } from './evidence.ts';

export interface TestExtension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

/** An authority of a test: its name in DER, its certificate and its key. */
export interface TestAuthority {
  readonly name: Uint8Array;
  readonly certificate: Uint8Array;
  readonly key: TestKey;
}

export interface CertificateOptions {
  readonly subject?: Uint8Array;
  readonly spki: Uint8Array;
  readonly issuer: Pick<TestAuthority, 'name' | 'key'>;
  readonly from: Date;
  readonly to: Date;
  readonly serial?: number;
  readonly extensions: readonly TestExtension[];
}

export const ecdsaSha256 = der.sequence(der.oid('1.2.840.10045.4.3.2'));
const noName = der.sequence();

export function name(organisation: string): Uint8Array {
  return der.sequence(der.set(der.sequence(der.oid('2.5.4.10'), der.utf8String(organisation))));
}

/** TBSCertificate of a test certificate. */
export function tbsCertificate(options: CertificateOptions): Uint8Array {
  const { subject = noName, spki, issuer, from, to, serial = 1, extensions } = options;
  return der.sequence(
    der.explicit(0, der.integer(2)),
    der.integer(serial),
    ecdsaSha256,
    issuer.name,
    der.sequence(der.time(from), der.time(to)),
    subject,
    spki,
    der.explicit(3, der.sequence(...extensions.map(extension))),
  );
}

function extension({ oid, critical, value }: TestExtension): Uint8Array {
  return der.sequence(
    der.oid(oid),
    ...(critical === true ? [der.boolean(true)] : []),
    der.octetString(value),
  );
}

/** A certificate that `options.issuer` signed with ECDSA P-256 and SHA-256. */
export function certificate(options: CertificateOptions): Uint8Array {
  const tbs = tbsCertificate(options);
  return der.sequence(tbs, ecdsaSha256, der.bitString(options.issuer.key.sign(tbs)));
}

export const keyUsage = (bits: number, unused: number): TestExtension => ({
  oid: '2.5.29.15',
  critical: true,
  value: der.bitString(Uint8Array.of(bits), unused),
});
export const signs = keyUsage(0x80, 7);
export const signsCertificates = keyUsage(0x06, 1);
export const purpose = (...purposes: readonly string[]): TestExtension => ({
  oid: '2.5.29.37',
  value: der.sequence(...purposes.map((each) => der.oid(each))),
});
export const authority = (pathLength?: number): TestExtension => ({
  oid: '2.5.29.19',
  critical: true,
  value: der.sequence(der.boolean(true), ...(pathLength === undefined ? [] : [der.integer(pathLength)])),
});
export const uriName = (uri: string): Uint8Array => der.implicit(6, der.ia5String(uri));
export const altNames = (...names: readonly Uint8Array[]): TestExtension => ({
  oid: '2.5.29.17',
  critical: true,
  value: der.sequence(...names),
});

/** The SHA-256 of a key, as logs are called. */
export function keyIdOf(spki: Uint8Array): Uint8Array {
  return sha256(spki);
}

export interface TimestampOptions {
  readonly signature: Uint8Array;
  readonly at: Date;
  readonly signer: {
    readonly certificate: Uint8Array;
    readonly issuerName: Uint8Array;
    readonly serial: number;
    readonly key: TestKey;
  };
  readonly embed?: boolean;
}

/** A TimeStampResp over the SHA-256 of `signature` (RFC 3161). */
export function timestampResponse({ signature, at, signer, embed = false }: TimestampOptions): Uint8Array {
  const sha = der.sequence(der.oid('2.16.840.1.101.3.4.2.1'));
  const info = der.sequence(
    der.integer(1),
    der.oid('1.3.6.1.4.1.57264.2'),
    der.sequence(sha, der.octetString(sha256(signature))),
    der.integer(7),
    der.generalizedTime(at),
  );
  const attribute = (oid: string, value: Uint8Array): Uint8Array =>
    der.sequence(der.oid(oid), der.set(value));
  const attributes = der.set(
    attribute('1.2.840.113549.1.9.3', der.oid('1.2.840.113549.1.9.16.1.4')),
    attribute('1.2.840.113549.1.9.4', der.octetString(sha256(info))),
    attribute(
      '1.2.840.113549.1.9.16.2.47',
      der.sequence(der.sequence(der.sequence(der.octetString(sha256(signer.certificate))))),
    ),
  );
  const signedData = der.sequence(
    der.integer(3),
    der.set(sha),
    der.sequence(der.oid('1.2.840.113549.1.9.16.1.4'), der.explicit(0, der.octetString(info))),
    ...(embed ? [der.explicit(0, signer.certificate)] : []),
    der.set(
      der.sequence(
        der.integer(1),
        der.sequence(signer.issuerName, der.integer(signer.serial)),
        sha,
        der.implicit(0, attributes),
        ecdsaSha256,
        der.octetString(signer.key.sign(attributes)),
      ),
    ),
  );
  const token = der.sequence(der.oid('1.2.840.113549.1.7.2'), der.explicit(0, signedData));
  return der.sequence(der.sequence(der.integer(0)), token);
}

/** Subject key identifier by RFC 5280 section 4.2.1.2 (1), which some readers demand. */
export function subjectKeyId(spki: Uint8Array): TestExtension {
  const hash = createHash('sha1').update(spki.subarray(26)).digest('hex');
  return { oid: '2.5.29.14', value: der.octetString(fromHex(hash)) };
}
