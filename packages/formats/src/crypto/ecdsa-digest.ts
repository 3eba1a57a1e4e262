import { derFields } from '../asn1/fields.ts';
import { parseDer } from '../asn1/parse.ts';
import { derIntegerBytes } from '../asn1/values.ts';
import { toHex } from '../bytes/encodings.ts';
import { isFault } from '../fault.ts';
import type { VerifyingKey } from './verifying-key.ts';

/*
 * ECDSA over a digest whose message is elsewhere (FIPS 186-5 section 6.4.2). node:crypto always hashes what it is given,
 * so a file that is known by its digest could not be verified with it. Everything here is public: key, digest and
 * signature; nothing has to take constant time. Slower than OpenSSL by two orders of magnitude, and used for nothing
 * else.
 */

interface Curve {
  readonly bytes: number;
  /** The prime of the field, the order of the generator, and its coordinates; a is -3 on both curves. */
  readonly p: bigint;
  readonly n: bigint;
  readonly g: readonly [bigint, bigint];
}

// SP 800-186 section 3.2.1.
const curves: Readonly<Record<'p256' | 'p384', Curve>> = {
  p256: {
    bytes: 32,
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    g: [
      0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
      0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
    ],
  },
  p384: {
    bytes: 48,
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    g: [
      0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n,
      0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn,
    ],
  },
};

/** Jacobian coordinates; z is 0 for the point at infinity. */
type Point = readonly [bigint, bigint, bigint];
const infinity: Point = [1n, 1n, 0n];

/** Whether `signature` (DER) is ECDSA by a P-256 or P-384 `key` over a message with the hash `digest`. */
export function verifyDigest(key: VerifyingKey, digest: Uint8Array, signature: Uint8Array): boolean {
  if (key.kind !== 'p256' && key.kind !== 'p384') return false;
  const curve = curves[key.kind];
  const numbers = readSignature(signature, curve);
  if (numbers === undefined) return false;
  const [r, s] = numbers;
  const { n, p, g } = curve;
  if (r === 0n || s === 0n || r >= n || s >= n) return false;
  // OpenSSL checked that the point is on the curve when the key was read; the last bytes of the key are the point.
  const point = key.spki.subarray(-2 * curve.bytes);
  const q: Point = [number(point.subarray(0, curve.bytes)), number(point.subarray(curve.bytes)), 1n];
  const inverse = invert(s, n);
  // A digest longer than the order counts with its leftmost bits.
  const e = number(digest.subarray(0, curve.bytes));
  const [x, , z] = sum([g[0], g[1], 1n], (e * inverse) % n, q, (r * inverse) % n, p);
  if (z === 0n) return false;
  const affine = (x * invert((z * z) % p, p)) % p;
  return affine % n === r;
}

function readSignature(signature: Uint8Array, { bytes }: Curve): readonly [bigint, bigint] | undefined {
  try {
    const fields = derFields(parseDer(signature, { maxBytes: 200 }), 'signature');
    const r = derIntegerBytes(fields.take('r'), 'r', bytes + 1);
    const s = derIntegerBytes(fields.take('s'), 's', bytes + 1);
    fields.end();
    // A negative number is none of the signature's.
    return (r[0] ?? 0x80) >= 0x80 || (s[0] ?? 0x80) >= 0x80 ? undefined : [number(r), number(s)];
  } catch (error) {
    if (isFault(error)) return undefined;
    throw error;
  }
}

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}

/** The inverse by Euclid; `modulus` is prime and `value` no multiple of it. */
function invert(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [mod(value, modulus), modulus, 1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b] = [b, a - quotient * b];
    [x, y] = [y, x - quotient * y];
  }
  return mod(x, modulus);
}

function mod(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

/** u·P + v·Q, both scalars in one pass (Shamir's trick). */
function sum(p: Point, u: bigint, q: Point, v: bigint, prime: bigint): Point {
  const both = add(p, q, prime);
  const [a, b] = [u.toString(2), v.toString(2)];
  const length = Math.max(a.length, b.length);
  const [x, y] = [a.padStart(length, '0'), b.padStart(length, '0')];
  let result = infinity;
  for (let i = 0; i < length; i++) {
    result = double(result, prime);
    if (x[i] === '1') result = add(result, y[i] === '1' ? both : p, prime);
    else if (y[i] === '1') result = add(result, q, prime);
  }
  return result;
}

/** Doubling for a = -3 (hyperelliptic.org EFD, dbl-2001-b). */
function double([x, y, z]: Point, p: bigint): Point {
  if (z === 0n || y === 0n) return infinity;
  const delta = (z * z) % p;
  const gamma = (y * y) % p;
  const beta = (x * gamma) % p;
  const alpha = (3n * (x - delta) * (x + delta)) % p;
  const x3 = mod(alpha * alpha - 8n * beta, p);
  const z3 = mod((y + z) ** 2n - gamma - delta, p);
  return [x3, mod(alpha * (4n * beta - x3) - 8n * gamma * gamma, p), z3];
}

/** Addition (hyperelliptic.org EFD, add-2007-bl), with the cases that the formula does not cover. */
function add(a: Point, b: Point, p: bigint): Point {
  if (a[2] === 0n) return b;
  if (b[2] === 0n) return a;
  const [z1, z2] = [(a[2] * a[2]) % p, (b[2] * b[2]) % p];
  const [u1, u2] = [(a[0] * z2) % p, (b[0] * z1) % p];
  const [s1, s2] = [(a[1] * b[2] * z2) % p, (b[1] * a[2] * z1) % p];
  const h = mod(u2 - u1, p);
  const r = mod(s2 - s1, p);
  if (h === 0n) return r === 0n ? double(a, p) : infinity;
  const h2 = (h * h) % p;
  const h3 = (h * h2) % p;
  const v = (u1 * h2) % p;
  const x3 = mod(r * r - h3 - 2n * v, p);
  return [x3, mod(r * (v - x3) - s1 * h3, p), (h * a[2] * b[2]) % p];
}
