import {
  constants,
  createECDH,
  createHash,
  createPublicKey,
  type KeyObject,
  publicDecrypt,
  verify,
} from 'node:crypto';
import {
  concatBytes,
  derFields,
  derIntegerBytes,
  derTags,
  equalBytes,
  fromHex,
  parseDer,
  toHex,
} from '@sallyport/formats';
import { type Curve, curves, inverse, modulo } from './curves.ts';

/** Whether `signature` is one over a message of which only the digest is known. Bytes that are no signature: false. */
export type DigestVerifier = (digest: Uint8Array, signature: Uint8Array) => boolean;

const noMessage = new Uint8Array();
const maxSignatureBytes = 1024;

/**
 * ECDSA over a digest, where the runtime's interface to OpenSSL always hashes what it verifies.
 *
 * A signature (r, s) over digest z by the key Q is one over any other digest e by the key Q + tG with
 * t = (z - e) / r, because (e/s)G + (r/s)(Q + tG) = (z/s)G + (r/s)Q (FIPS 186-5 section 6.4.2): both or neither are
 * valid. So the key is moved, and OpenSSL verifies the same numbers over the empty message under the moved one. Only
 * one addition of points is done here, on public values; OpenSSL checks that its result lies on the curve. That is
 * fourteen times as fast as a verification in JavaScript.
 *
 * Undefined for a key of another curve.
 */
export function ecdsaDigestVerifier(key: KeyObject): DigestVerifier | undefined {
  const { crv, x = '', y = '' } = key.export({ format: 'jwk' });
  const curve = curves.find((one) => one.name === crv);
  if (curve === undefined) return undefined;
  const point = { x: numberOf(Buffer.from(x, 'base64url')), y: numberOf(Buffer.from(y, 'base64url')) };
  // From the JWK, so that the point stands uncompressed at its end, however the key was given.
  const spki = createPublicKey({ key: { kty: 'EC', crv: curve.name, x, y }, format: 'jwk' }).export({
    format: 'der',
    type: 'spki',
  });
  const prefix = Uint8Array.from(spki.subarray(0, spki.length - 2 * curve.sizeBytes));
  const empty = numberOf(createHash(curve.hash).update(noMessage).digest());
  return (digest, signature) => {
    const numbers = readNumbers(signature, curve);
    if (numbers === undefined || digest.length !== digestBytes[curve.hash]) return false;
    const { r, s } = numbers;
    const shift = modulo((numberOf(digest) - empty) * inverse(r, curve.order), curve.order);
    const moved = shift === 0n ? point : movedBy(curve, point, shift);
    if (moved === undefined) return false;
    const bytes = concatBytes(prefix, bytesOf(moved.x, curve), bytesOf(moved.y, curve));
    const movedKey = createPublicKey({ key: Buffer.from(bytes), format: 'der', type: 'spki' });
    const fixed = concatBytes(bytesOf(r, curve), bytesOf(s, curve));
    return verify(curve.hash, noMessage, { key: movedKey, dsaEncoding: 'ieee-p1363' }, fixed);
  };
}

interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

/** Q + tG; undefined when it is no sum of two different points, which no honest signer meets (1 in 2^255). */
function movedBy(curve: Curve, q: Point, t: bigint): Point | undefined {
  const ecdh = createECDH(curve.openssl);
  ecdh.setPrivateKey(bytesOf(t, curve));
  const sum = ecdh.getPublicKey();
  const g = {
    x: numberOf(sum.subarray(1, 1 + curve.sizeBytes)),
    y: numberOf(sum.subarray(1 + curve.sizeBytes)),
  };
  if (g.x === q.x) return undefined;
  const slope = modulo((g.y - q.y) * inverse(g.x - q.x, curve.prime), curve.prime);
  const x = modulo(slope * slope - q.x - g.x, curve.prime);
  return { x, y: modulo(slope * (q.x - x) - q.y, curve.prime) };
}

/** The two numbers of a DER signature, both in 1 to n-1. */
function readNumbers(signature: Uint8Array, curve: Curve): { r: bigint; s: bigint } | undefined {
  try {
    const fields = derFields(parseDer(signature, { maxBytes: maxSignatureBytes }), 'a signature');
    const [r = 0n, s = 0n] = ['r', 's'].map((name) => {
      const bytes = derIntegerBytes(fields.take(name, derTags.integer), name, curve.sizeBytes + 1);
      return (bytes[0] ?? 0x80) >= 0x80 ? 0n : numberOf(bytes);
    });
    fields.end();
    return r > 0n && s > 0n && r < curve.order && s < curve.order ? { r, s } : undefined;
  } catch {
    return undefined;
  }
}

/** DigestInfo of SHA-256 before its digest (RFC 8017 section 9.2, note 1). */
const sha256Info = fromHex('3031300d060960864801650304020105000420');

/** RSASSA-PKCS1-v1_5 with SHA-256 over a digest. */
export function rsaDigestVerifier(key: KeyObject): DigestVerifier {
  return (digest, signature) => {
    if (digest.length !== 32 || signature.length > maxSignatureBytes) return false;
    try {
      const block = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature);
      // The whole block: reading the digest out of it is how forgeries got in (CVE-2006-4339).
      return equalBytes(Uint8Array.from(block), concatBytes(sha256Info, digest));
    } catch {
      return false;
    }
  };
}

export const digestBytes = { sha256: 32, sha384: 48, sha512: 64 } as const;

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}

function bytesOf(value: bigint, { sizeBytes }: Curve): Uint8Array {
  return fromHex(value.toString(16).padStart(sizeBytes * 2, '0'));
}
