import { der, sha256 } from '@sallyport/formats';
import { ecdsaWithSha256, issuerAndSerial, type TimestampSigner } from './chain.ts';
import { failures, type TimestampQuery, type TimestampRefusal, timestampPolicy } from './query.ts';

const oids = {
  signedData: '1.2.840.113549.1.7.2',
  tstInfo: '1.2.840.113549.1.9.16.1.4',
  sha256: '2.16.840.1.101.3.4.2.1',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
};

/** How far the time in a token may be from ours, in seconds: tokens carry whole seconds, and replicas' clocks differ. */
export const accuracySeconds = 1;

interface TokenParts {
  readonly query: TimestampQuery;
  readonly at: Date;
  /** 20 bytes; the first bit is not used. */
  readonly serial: Uint8Array;
  readonly signer: TimestampSigner;
  /** Leaf first, the root last. */
  readonly chain: readonly Uint8Array[];
}

/** A granted TimeStampResp (RFC 3161 section 2.4.2), and the token in it, whose digest is recorded. */
export function makeTimestamp(parts: TokenParts): {
  readonly response: Uint8Array;
  readonly token: Uint8Array;
} {
  const token = signedData(parts, tstInfo(parts));
  return { response: der.sequence(der.sequence(der.integer(0)), token), token };
}

/** A TimeStampResp that says why there is no token. */
export function refusedTimestamp({ failure, message }: TimestampRefusal): Uint8Array {
  const bit = failures[failure];
  const bits = new Uint8Array(Math.floor(bit / 8) + 1);
  bits[bits.length - 1] = 0x80 >> (bit % 8);
  const text = message.slice(0, 200);
  // Named bits end with the last one that is set (X.690 section 11.2.2).
  const failInfo = der.bitString(bits, 7 - (bit % 8));
  return der.sequence(der.sequence(der.integer(2), der.sequence(der.utf8String(text)), failInfo));
}

function tstInfo({ query, at, serial }: TokenParts): Uint8Array {
  const algorithm = der.sequence(der.oid(query.hashOid), der.null());
  return der.sequence(
    der.integer(1),
    der.oid(timestampPolicy),
    der.sequence(algorithm, der.octetString(query.digest)),
    der.integer(Uint8Array.from(serial, (byte, index) => (index === 0 ? (byte & 0x3f) | 0x40 : byte))),
    der.generalizedTime(at),
    der.sequence(der.integer(accuracySeconds)),
    ...(query.nonce === undefined ? [] : [query.nonce]),
  );
}

/** CMS SignedData (RFC 5652) with one signer and the three attributes that RFC 3161 and RFC 5816 ask for. */
function signedData({ query, signer, chain }: TokenParts, content: Uint8Array): Uint8Array {
  const [leaf = new Uint8Array()] = chain;
  const digestAlgorithm = der.sequence(der.oid(oids.sha256));
  const attributes = der.set(
    attribute(oids.contentType, der.oid(oids.tstInfo)),
    attribute(oids.messageDigest, der.octetString(sha256(content))),
    // Binds the certificate itself, so that no other one of the same key can take its place (RFC 5816).
    attribute(
      oids.signingCertificateV2,
      der.sequence(der.sequence(der.sequence(der.octetString(sha256(leaf))))),
    ),
  );
  const signerInfo = der.sequence(
    der.integer(1),
    issuerAndSerial(leaf),
    digestAlgorithm,
    der.implicit(0, attributes),
    ecdsaWithSha256(),
    // Over the attributes as a SET, not under the tag they have in the message (RFC 5652 section 5.4).
    der.octetString(signer.sign(attributes)),
  );
  const body = der.sequence(
    der.integer(3),
    der.set(digestAlgorithm),
    der.sequence(der.oid(oids.tstInfo), der.explicit(0, der.octetString(content))),
    ...(query.wantsCertificates ? [der.implicit(0, der.set(...chain))] : []),
    der.set(signerInfo),
  );
  return der.sequence(der.oid(oids.signedData), der.explicit(0, body));
}

function attribute(oid: string, value: Uint8Array): Uint8Array {
  return der.sequence(der.oid(oid), der.set(value));
}
