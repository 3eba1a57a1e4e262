import {
  contextTag,
  type DerNode,
  derBoolean,
  derFields,
  derIntegerBytes,
  derNumber,
  derOctets,
  derOid,
  derTags,
  isFault,
  parseDer,
} from '@sallyport/formats';

/** The only policy under which we say a time: Sigstore's, which its clients ask for. */
export const timestampPolicy = '1.3.6.1.4.1.57264.2';

/** Digests we put a time to, and their sizes in bytes. SHA-1 is not among them: others could have the same one. */
export const imprintHashes: Readonly<Record<string, { readonly name: string; readonly size: number }>> = {
  '2.16.840.1.101.3.4.2.1': { name: 'sha256', size: 32 },
  '2.16.840.1.101.3.4.2.2': { name: 'sha384', size: 48 },
  '2.16.840.1.101.3.4.2.3': { name: 'sha512', size: 64 },
};

/** What is asked: the time at which somebody had something with this digest. */
export interface TimestampQuery {
  readonly hashOid: string;
  readonly digest: Uint8Array;
  /** The INTEGER as it came, to be given back. */
  readonly nonce: Uint8Array | undefined;
  readonly wantsCertificates: boolean;
}

/** Bits of PKIFailureInfo (RFC 3161 section 2.4.2). */
export const failures = {
  badAlg: 0,
  badRequest: 2,
  badDataFormat: 5,
  timeNotAvailable: 14,
  unacceptedPolicy: 15,
  unacceptedExtension: 16,
  systemFailure: 25,
} as const;

/** Why there is no timestamp; told to the client in the words of the protocol. */
export class TimestampRefusal extends Error {
  override readonly name = 'TimestampRefusal';
  readonly failure: keyof typeof failures;
  constructor(failure: keyof typeof failures, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

const maxQueryBytes = 4096;

/** Reads a TimeStampReq (RFC 3161 section 2.4.1). Throws TimestampRefusal. */
export function parseTimestampQuery(bytes: Uint8Array): TimestampQuery {
  try {
    return readQuery(parseDer(bytes, { maxBytes: maxQueryBytes }));
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    throw new TimestampRefusal('badDataFormat', cause.message, { cause });
  }
}

function readQuery(node: DerNode): TimestampQuery {
  const fields = derFields(node, 'TimeStampReq');
  if (derNumber(fields.take('version'), 'version', 2 ** 31) !== 1) {
    throw new TimestampRefusal('badRequest', 'expected version 1');
  }
  const imprint = derFields(fields.take('messageImprint'), 'messageImprint');
  const algorithm = derFields(imprint.take('hashAlgorithm'), 'hashAlgorithm');
  const hashOid = derOid(algorithm.take('algorithm'), 'algorithm');
  // Absent, or the NULL that older encoders write (RFC 5754 section 2).
  algorithm.maybe(derTags.null);
  algorithm.end();
  const digest = derOctets(imprint.take('hashedMessage'), 'hashedMessage');
  imprint.end();
  const policy = fields.maybe(derTags.oid);
  const nonce = fields.maybe(derTags.integer);
  const certificates = fields.maybe(derTags.boolean);
  const extensions = fields.maybe(contextTag(0, true));
  fields.end();
  if (policy !== undefined) requirePolicy(derOid(policy, 'reqPolicy'));
  // Section 2.4.1: an extension we do not know, critical or not, must be refused; we know none.
  if (extensions !== undefined) throw new TimestampRefusal('unacceptedExtension', 'expected no extensions');
  requireImprint(hashOid, digest);
  if (nonce !== undefined) derIntegerBytes(nonce, 'nonce', 64);
  return {
    hashOid,
    digest: Uint8Array.from(digest),
    nonce: nonce && Uint8Array.from(nonce.bytes),
    wantsCertificates: certificates !== undefined && derBoolean(certificates, 'certReq'),
  };
}

export function requirePolicy(policy: string): void {
  if (policy === timestampPolicy) return;
  throw new TimestampRefusal('unacceptedPolicy', `expected policy ${timestampPolicy} or none`);
}

export function requireImprint(hashOid: string, digest: Uint8Array): void {
  const hash = imprintHashes[hashOid];
  if (hash === undefined)
    throw new TimestampRefusal('badAlg', 'expected a SHA-256, SHA-384 or SHA-512 imprint');
  if (digest.length === hash.size) return;
  throw new TimestampRefusal(
    'badDataFormat',
    `expected ${hash.size} bytes of ${hash.name}, got ${digest.length}`,
  );
}
