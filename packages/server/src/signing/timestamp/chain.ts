import { der, derFields, derTags, parseDer, sha256, utf8 } from '@sallyport/formats';

/** A key of the keyring: ECDSA P-256 with SHA-256, signatures in DER. */
export interface TimestampSigner {
  readonly keyId: string;
  readonly publicKeySpki: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

const oids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  organization: '2.5.4.10',
  commonName: '2.5.4.3',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  timeStamping: '1.3.6.1.5.5.7.3.8',
};

export const ecdsaWithSha256 = (): Uint8Array => der.sequence(der.oid(oids.ecdsaWithSha256));

interface CertificateRequest {
  readonly organization: string;
  readonly root: TimestampSigner;
  /** Whole seconds. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** 16 bytes from the operating system's generator. */
  readonly serial: Uint8Array;
}

/** The root above all keys of timestamps. It may sign no other authority. */
export function timestampRoot(request: CertificateRequest): Uint8Array {
  const { organization, root } = request;
  const name = nameOf(organization, 'Sallyport timestamp root');
  return certificate(root, {
    ...request,
    issuer: name,
    subject: name,
    spki: root.publicKeySpki,
    extensions: [
      // keyCertSign and cRLSign; no certificate authority below this one.
      extension(oids.keyUsage, true, der.bitString(Uint8Array.of(0x06), 1)),
      extension(oids.basicConstraints, true, der.sequence(der.boolean(true), der.integer(0))),
      extension(oids.subjectKeyId, false, der.octetString(keyIdOf(root.publicKeySpki))),
    ],
  });
}

/**
 * The certificate of a key that says times. It has one purpose and says so critically, as RFC 3161 section 2.3 demands;
 * nothing stands between it and the root, so no intermediate has to repeat the purpose.
 */
export function timestampLeaf(request: CertificateRequest, leaf: TimestampSigner): Uint8Array {
  const { organization, root } = request;
  return certificate(root, {
    ...request,
    issuer: nameOf(organization, 'Sallyport timestamp root'),
    subject: nameOf(organization, 'Sallyport timestamps'),
    spki: leaf.publicKeySpki,
    extensions: [
      extension(oids.keyUsage, true, der.bitString(Uint8Array.of(0x80), 7)),
      extension(oids.extKeyUsage, true, der.sequence(der.oid(oids.timeStamping))),
      extension(oids.subjectKeyId, false, der.octetString(keyIdOf(leaf.publicKeySpki))),
      extension(oids.authorityKeyId, false, der.sequence(der.context(0, keyIdOf(root.publicKeySpki)))),
    ],
  });
}

/** Issuer and serial number of a certificate, each as the element it is there: how a token names its signer. */
export function issuerAndSerial(certificateDer: Uint8Array): Uint8Array {
  const tbs = derFields(derFields(parseDer(certificateDer), 'Certificate').take('tbs'), 'TBSCertificate');
  tbs.take('version');
  const serial = tbs.take('serialNumber', derTags.integer);
  tbs.take('signature');
  const issuer = tbs.take('issuer', derTags.sequence);
  return der.sequence(issuer.bytes, serial.bytes);
}

interface Certificate {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

function certificate(signer: TimestampSigner, parts: Certificate): Uint8Array {
  const tbs = der.sequence(
    der.explicit(0, der.integer(2)),
    // Positive and never 0 (RFC 5280 section 4.1.2.2), whatever the generator gave.
    der.integer(Uint8Array.of(0x40, ...parts.serial)),
    ecdsaWithSha256(),
    parts.issuer,
    der.sequence(der.time(parts.notBefore), der.time(parts.notAfter)),
    parts.subject,
    parts.spki,
    der.explicit(3, der.sequence(...parts.extensions)),
  );
  return der.sequence(tbs, ecdsaWithSha256(), der.bitString(signer.sign(tbs)));
}

function extension(oid: string, critical: boolean, value: Uint8Array): Uint8Array {
  return der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octetString(value));
}

/** RFC 5280 appendix A bounds each name at 64 characters. */
function nameOf(organization: string, commonName: string): Uint8Array {
  const attribute = (oid: string, text: string): Uint8Array =>
    der.set(der.sequence(der.oid(oid), der.utf8String(text.slice(0, 64))));
  return der.sequence(attribute(oids.organization, organization), attribute(oids.commonName, commonName));
}

/** RFC 7093 section 2, method 4: of the whole SubjectPublicKeyInfo, in 160 bits. */
function keyIdOf(spki: Uint8Array): Uint8Array {
  return sha256(spki).subarray(0, 20);
}

/** `CERTIFICATE` blocks of RFC 7468, one after the other. */
export function pemOfChain(certificates: readonly Uint8Array[]): Uint8Array {
  return utf8(
    certificates
      .map((each) => {
        const lines =
          Buffer.from(each)
            .toString('base64')
            .match(/.{1,64}/g) ?? [];
        return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
      })
      .join(''),
  );
}
