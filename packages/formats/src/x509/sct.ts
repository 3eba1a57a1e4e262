import { derFault, parseDer } from '../asn1/parse.ts';
import { contextTag } from '../asn1/tags.ts';
import { derOctets } from '../asn1/values.ts';
import { der } from '../asn1/write.ts';
import { concatBytes, equalBytes } from '../bytes/bytes.ts';
import { sha256 } from '../crypto/sha256.ts';
import { type VerifyingKey, verifySignature } from '../crypto/verifying-key.ts';
import { type Certificate, extensionOf } from './certificate.ts';
import { oids } from './oids.ts';

/** A signed certificate timestamp (RFC 6962 section 3.2): a log's promise to publish a certificate. */
export interface Sct {
  /** SHA-256 of the log's public key. */
  readonly logId: Uint8Array;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly extensions: Uint8Array;
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  readonly signature: Uint8Array;
}

const maxScts = 16;
/** RFC 5246 section 7.4.1.4.1; RFC 6962 section 2.1.4 allows SHA-256 alone, logs of Sigstore have used no other. */
const hashNumbers: Readonly<Record<number, Sct['hash']>> = { 4: 'sha256', 5: 'sha384', 6: 'sha512' };

/** The timestamps embedded in a certificate; empty when it has none. */
export function embeddedScts(certificate: Certificate): readonly Sct[] {
  const extension = extensionOf(certificate, oids.sctList);
  if (extension === undefined) return [];
  const list = createTlsReader(derOctets(parseDer(extension.value), 'SCT list'));
  const scts = createTlsReader(list.vector(2));
  list.end();
  const found: Sct[] = [];
  while (!scts.done()) {
    if (found.length === maxScts) throw derFault(0, `at most ${maxScts} SCTs`, 'more');
    found.push(readSct(scts.vector(2)));
  }
  return found;
}

function readSct(bytes: Uint8Array): Sct {
  const reader = createTlsReader(bytes);
  if (reader.number(1) !== 0) throw derFault(0, 'an SCT of version 1', 'another');
  const logId = reader.bytes(32);
  const timestamp = reader.number(8);
  const extensions = reader.vector(2);
  const hash = hashNumbers[reader.number(1)];
  // The signature algorithm (1 RSA, 3 ECDSA) follows from the key of the log, which is trusted; this byte is not.
  reader.number(1);
  const signature = reader.vector(2);
  reader.end();
  if (hash === undefined) throw derFault(0, 'an SCT with SHA-2', 'another hash');
  return { logId, timestamp, extensions, hash, signature };
}

/**
 * Whether the log with `key` signed `sct` over this certificate, issued by the holder of `issuerSpki`. What was signed
 * is the precertificate: the same TBSCertificate without the SCT extension (RFC 6962 section 3.2).
 */
export function verifySct(
  sct: Sct,
  certificate: Certificate,
  issuerSpki: Uint8Array,
  key: VerifyingKey,
): boolean {
  const tbs = precertificateTbs(certificate);
  const signed = concatBytes(
    Uint8Array.of(0, 0),
    bigEndian(sct.timestamp, 8),
    Uint8Array.of(0, 1),
    sha256(issuerSpki),
    bigEndian(tbs.length, 3),
    tbs,
    bigEndian(sct.extensions.length, 2),
    sct.extensions,
  );
  return verifySignature(key, sct.hash, signed, sct.signature);
}

function precertificateTbs(certificate: Certificate): Uint8Array {
  const sctOid = der.oid(oids.sctList);
  const members = certificate.tbs.children.map((member) => {
    if (member.tag !== contextTag(3, true)) return member.bytes;
    const extensions = member.children[0]?.children ?? [];
    const kept = extensions.filter(({ children }) => !equalBytes(children[0]?.bytes ?? sctOid, sctOid));
    return der.explicit(3, der.sequence(...kept.map(({ bytes }) => bytes)));
  });
  return der.sequence(...members);
}

function bigEndian(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = length - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

/** Reads the presentation language of TLS (RFC 5246 section 4): numbers, and vectors with their length in front. */
function createTlsReader(all: Uint8Array) {
  let at = 0;
  const bytes = (length: number): Uint8Array => {
    if (length > all.length - at) throw derFault(at, `${length} bytes in the SCT list`, 'the end');
    at += length;
    return all.subarray(at - length, at);
  };
  const number = (length: number): number => {
    let value = 0;
    for (const byte of bytes(length)) value = value * 256 + byte;
    if (!Number.isSafeInteger(value)) throw derFault(at, 'a number below 2^53', 'a larger one');
    return value;
  };
  return {
    bytes,
    number,
    vector: (lengthBytes: number): Uint8Array => bytes(number(lengthBytes)),
    done: (): boolean => at === all.length,
    end: (): void => {
      if (at !== all.length) throw derFault(at, 'the end of the SCT', 'more bytes');
    },
  };
}
