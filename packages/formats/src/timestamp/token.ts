import { type DerFields, derExplicit, derFields } from '../asn1/fields.ts';
import { type DerNode, derFault, parseDer } from '../asn1/parse.ts';
import { contextTag, tags } from '../asn1/tags.ts';
import { derIntegerBytes, derNumber, derOctets, derOid, derTime } from '../asn1/values.ts';
import type { HashName } from '../crypto/verifying-key.ts';
import { readHashAlgorithm, readSignatureAlgorithm, type SignatureAlgorithm } from '../x509/signed.ts';

/** A timestamp as it stands (RFC 3161, CMS of RFC 5652); nothing of it is believed yet. */
export interface TimestampToken {
  readonly info: TimestampInfo;
  /** TSTInfo in DER: what the attribute messageDigest is the hash of. */
  readonly infoBytes: Uint8Array;
  /** Certificates that came along. */
  readonly certificates: readonly Uint8Array[];
  readonly signer: TimestampSigner;
}

export interface TimestampInfo {
  readonly imprintHash: HashName;
  readonly imprint: Uint8Array;
  /** Milliseconds since 1970. */
  readonly time: number;
}

export interface TimestampSigner {
  /** Name of the signer's issuer in DER, and content of its serial number. */
  readonly issuer: Uint8Array;
  readonly serial: Uint8Array;
  readonly digest: HashName;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  /** The signed attributes as a SET: what the signature is over (RFC 5652 section 5.4). */
  readonly signedAttributes: Uint8Array;
  readonly messageDigest: Uint8Array;
  /** The hash that names the signer's certificate (RFC 5816), so that another with its name cannot step in. */
  readonly certificateHash: { readonly hash: HashName | 'sha1'; readonly value: Uint8Array };
}

const oids = {
  signedData: '1.2.840.113549.1.7.2',
  tstInfo: '1.2.840.113549.1.9.16.1.4',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
} as const;

const maxTokenBytes = 65_536;
const maxCertificates = 10;

/** Reads a TimeStampResp that was granted, with one signer. */
export function parseTimestampResponse(bytes: Uint8Array): TimestampToken {
  const response = derFields(parseDer(bytes, { maxBytes: maxTokenBytes }), 'timestamp response');
  const status = derNumber(derFields(response.take('status'), 'status').take('status'), 'status', 10);
  // RFC 3161 section 2.4.2: 0 granted, 1 granted with changes; with any other there is no timestamp.
  if (status > 1) throw derFault(0, 'a timestamp that was granted', `status ${status}`);
  const content = derFields(response.take('token', tags.sequence), 'token');
  response.end();
  expectOid(content.take('contentType'), oids.signedData, 'signed data');
  const signed = derFields(derExplicit(content.take('content'), 'content', 0), 'signed data');
  content.end();

  if (derNumber(signed.take('version'), 'version', 5) < 3)
    throw derFault(0, 'signed data of version 3', 'older');
  signed.take('digestAlgorithms', tags.set);
  const infoBytes = readEncapsulated(signed.take('encapContentInfo', tags.sequence));
  const certificates = signed.maybe(contextTag(0, true))?.children ?? [];
  if (certificates.length > maxCertificates) {
    throw derFault(0, `at most ${maxCertificates} certificates`, String(certificates.length));
  }
  signed.maybe(contextTag(1, true));
  const signers = signed.take('signerInfos', tags.set);
  signed.end();
  const [signer, second] = signers.children;
  if (signer === undefined || second !== undefined)
    throw derFault(signers.offset, 'one signer', 'another number');
  return {
    info: readInfo(infoBytes),
    infoBytes,
    certificates: certificates.map((each) => each.bytes),
    signer: readSigner(derFields(signer, 'signer')),
  };
}

function readEncapsulated(node: DerNode): Uint8Array {
  const fields = derFields(node, 'encapContentInfo');
  expectOid(fields.take('contentType'), oids.tstInfo, 'a timestamp');
  const content = derOctets(derExplicit(fields.take('content'), 'content', 0), 'content');
  fields.end();
  return content;
}

function readInfo(bytes: Uint8Array): TimestampInfo {
  const fields = derFields(parseDer(bytes), 'TSTInfo');
  if (derNumber(fields.take('version'), 'version', 1) !== 1)
    throw derFault(0, 'TSTInfo of version 1', 'another');
  derOid(fields.take('policy'), 'policy');
  const imprint = derFields(fields.take('messageImprint'), 'messageImprint');
  const imprintHash = readHashAlgorithm(imprint.take('hashAlgorithm'));
  const hashed = derOctets(imprint.take('hashedMessage'), 'hashedMessage');
  imprint.end();
  derIntegerBytes(fields.take('serialNumber'), 'serialNumber', 21);
  const time = derTime(fields.take('genTime', tags.generalizedTime), 'genTime');
  // What follows (accuracy, ordering, nonce, name) says nothing that is asked here.
  for (const { tag } of fields.rest()) {
    const known: readonly number[] = [tags.sequence, tags.boolean, tags.integer, contextTag(0, true)];
    // Extensions, [1], may be critical; none is in use.
    if (!known.includes(tag)) throw derFault(0, 'TSTInfo without extensions', `tag 0x${tag.toString(16)}`);
  }
  return { imprintHash, imprint: hashed, time };
}

function readSigner(fields: DerFields): TimestampSigner {
  if (derNumber(fields.take('version'), 'version', 3) !== 1) {
    throw derFault(0, 'a signer named by issuer and serial number', 'another');
  }
  const sid = derFields(fields.take('sid'), 'sid');
  const issuer = sid.take('issuer', tags.sequence).bytes;
  const serial = derIntegerBytes(sid.take('serialNumber'), 'serialNumber', 21);
  sid.end();
  const digest = readHashAlgorithm(fields.take('digestAlgorithm'));
  const attributes = fields.take('signedAttrs', contextTag(0, true));
  const named = readSignatureAlgorithm(fields.take('signatureAlgorithm'));
  const signature = derOctets(fields.take('signature'), 'signature');
  fields.maybe(contextTag(1, true));
  fields.end();

  // The signature is over the attributes with the tag of a SET; reading that again checks that it is sorted.
  const signedAttributes = Uint8Array.from(attributes.bytes);
  signedAttributes[0] = tags.set;
  const found = readAttributes(parseDer(signedAttributes));
  return {
    issuer,
    serial,
    digest,
    // RFC 3370 section 3.2: `rsaEncryption` leaves the hash to the digest algorithm.
    algorithm: { key: named.key, hash: named.hash ?? digest },
    signature,
    signedAttributes,
    ...found,
  };
}

function readAttributes(set: DerNode): Pick<TimestampSigner, 'messageDigest' | 'certificateHash'> {
  const values = new Map<string, DerNode>();
  for (const attribute of set.children) {
    const fields = derFields(attribute, 'attribute');
    const oid = derOid(fields.take('type'), 'type');
    const inner = fields.take('values', tags.set).children;
    fields.end();
    const [value, second] = inner;
    if (value === undefined || second !== undefined || values.has(oid)) {
      throw derFault(attribute.offset, 'each attribute once, with one value', oid);
    }
    values.set(oid, value);
  }
  const wanted = (oid: string, what: string): DerNode => {
    const value = values.get(oid);
    if (value === undefined) throw derFault(set.offset, `the signed attribute ${what}`, 'none');
    return value;
  };
  expectOid(wanted(oids.contentType, 'contentType'), oids.tstInfo, 'a timestamp');
  const older = values.get(oids.signingCertificate);
  return {
    messageDigest: derOctets(wanted(oids.messageDigest, 'messageDigest'), 'messageDigest'),
    certificateHash:
      older !== undefined && !values.has(oids.signingCertificateV2)
        ? readCertificateHash(older, 'sha1')
        : readCertificateHash(wanted(oids.signingCertificateV2, 'signingCertificateV2'), 'sha256'),
  };
}

/** The first certificate named is the signer's (RFC 5035 section 5); `usual` is its hash when none is named. */
function readCertificateHash(node: DerNode, usual: 'sha1' | 'sha256'): TimestampSigner['certificateHash'] {
  const list = derFields(derFields(node, 'signingCertificate').take('certs'), 'certs');
  const fields = derFields(list.take('certificate'), 'certificate');
  const algorithm = usual === 'sha256' ? fields.maybe(tags.sequence) : undefined;
  return {
    hash: algorithm === undefined ? usual : readHashAlgorithm(algorithm),
    value: derOctets(fields.take('certHash'), 'certHash'),
  };
}

function expectOid(node: DerNode, oid: string, what: string): void {
  const got = derOid(node, what);
  if (got !== oid) throw derFault(node.offset, what, got);
}
