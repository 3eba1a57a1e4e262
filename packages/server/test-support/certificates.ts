import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_subjectAltName,
  id_kp_clientAuth,
  id_kp_serverAuth,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509';

/** A certificate with its key, both PEM. */
export interface TestCertificate {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
}

const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
const commonName = '2.5.4.3';
const dayMilliseconds = 86_400_000;

/** A root of its own, for tests only: ECDSA P-256, valid from yesterday for a month. */
export function makeTestCa(name: string): TestCertificate {
  return make(name, undefined, [extension(id_ce_basicConstraints, new BasicConstraints({ cA: true }), true)]);
}

/** For `localhost` and 127.0.0.1. */
export function issueServerCertificate(ca: TestCertificate, name = 'localhost'): TestCertificate {
  const names = new SubjectAlternativeName([
    new GeneralName({ dNSName: 'localhost' }),
    new GeneralName({ iPAddress: '127.0.0.1' }),
  ]);
  return make(name, ca, [
    extension(id_ce_subjectAltName, names, false),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth]), false),
  ]);
}

export function issueClientCertificate(ca: TestCertificate, name: string): TestCertificate {
  return make(name, ca, [extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_clientAuth]), false)]);
}

function make(
  name: string,
  issuer: TestCertificate | undefined,
  extensions: readonly Extension[],
): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  const tbs = new TBSCertificate({
    version: Version.v3,
    // RFC 5280 section 4.1.2.2: positive, so the first bit is not set.
    serialNumber: Uint8Array.from([1, ...randomBytes(15)]).buffer,
    signature: algorithm,
    issuer: distinguished(issuer?.name ?? name),
    validity: new Validity({
      notBefore: new Date(Date.now() - dayMilliseconds),
      notAfter: new Date(Date.now() + 30 * dayMilliseconds),
    }),
    subject: distinguished(name),
    subjectPublicKeyInfo: AsnConvert.parse(
      publicKey.export({ type: 'spki', format: 'der' }),
      SubjectPublicKeyInfo,
    ),
    extensions: new Extensions([...extensions]),
  });
  const signingKey: KeyObject | string = issuer?.key ?? privateKey;
  const signature = sign('sha256', Buffer.from(AsnConvert.serialize(tbs)), signingKey);
  const certificate = new Certificate({
    tbsCertificate: tbs,
    signatureAlgorithm: algorithm,
    signatureValue: new Uint8Array(signature).buffer,
  });
  return {
    name,
    cert: pem('CERTIFICATE', Buffer.from(AsnConvert.serialize(certificate))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function distinguished(name: string): Name {
  const value = new AttributeTypeAndValue({
    type: commonName,
    value: new AttributeValue({ utf8String: name }),
  });
  return new Name([new RelativeDistinguishedName([value])]);
}

function extension(id: string, value: object, critical: boolean): Extension {
  return new Extension({
    extnID: id,
    critical,
    extnValue: new OctetString(AsnConvert.serialize(value)),
  });
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
