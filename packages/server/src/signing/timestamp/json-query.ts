import { der, fromBase64, fromUtf8, isFault, parseStrictJson } from '@sallyport/formats';
import {
  imprintHashes,
  requireImprint,
  requirePolicy,
  type TimestampQuery,
  TimestampRefusal,
} from './query.ts';

const maxJsonBytes = 4096;
const known = new Set(['artifactHash', 'hashAlgorithm', 'certificates', 'nonce', 'tsaPolicyOID']);

/**
 * The query as JSON, as Sigstore's timestamp authority takes it:
 * `{"artifactHash": base64, "hashAlgorithm": "sha256", "certificates": true, "nonce": 7, "tsaPolicyOID": "1.2"}`.
 */
export function parseJsonTimestampQuery(bytes: Uint8Array): TimestampQuery {
  try {
    return readQuery(parseStrictJson(fromUtf8(bytes), { maxBytes: maxJsonBytes, maxDepth: 2 }));
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    throw new TimestampRefusal('badDataFormat', cause.message, { cause });
  }
}

function readQuery(value: unknown): TimestampQuery {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw expected('an object');
  const query = new Map(Object.entries(value));
  for (const key of query.keys()) if (!known.has(key)) throw expected('no other members');
  const name = query.get('hashAlgorithm');
  const [hashOid] = Object.entries(imprintHashes).find(([, hash]) => hash.name === name) ?? [];
  if (hashOid === undefined) throw new TimestampRefusal('badAlg', 'expected sha256, sha384 or sha512');
  const hash = query.get('artifactHash');
  if (typeof hash !== 'string') throw expected('artifactHash in base64');
  const digest = fromBase64(hash);
  requireImprint(hashOid, digest);
  const policy = query.get('tsaPolicyOID');
  if (policy !== undefined && typeof policy !== 'string') throw expected('tsaPolicyOID as text');
  if (policy !== undefined && policy !== '') requirePolicy(policy);
  const certificates = query.get('certificates') ?? false;
  if (typeof certificates !== 'boolean') throw expected('certificates as true or false');
  return { hashOid, digest, nonce: nonceOf(query.get('nonce')), wantsCertificates: certificates };
}

/** A number that JSON readers may have rounded cannot be given back as it was sent. */
function nonceOf(nonce: unknown): Uint8Array | undefined {
  if (nonce === undefined || nonce === null) return undefined;
  if (typeof nonce === 'number' && Number.isSafeInteger(nonce) && nonce >= 0) return der.integer(nonce);
  throw expected('a nonce from 0 to 2^53-1; longer ones in DER');
}

function expected(what: string): TimestampRefusal {
  return new TimestampRefusal('badDataFormat', `expected ${what}`);
}
