/** What the arithmetic of a digest signature needs to know of a curve (NIST SP 800-186 section 3.2.1). */
export interface Curve {
  /** As JWK spells it. */
  readonly name: 'P-256' | 'P-384' | 'P-521';
  /** As OpenSSL spells it. */
  readonly openssl: string;
  readonly sizeBytes: number;
  /** The prime of the field. */
  readonly prime: bigint;
  /** The order of the base point. */
  readonly order: bigint;
  readonly hash: 'sha256' | 'sha384' | 'sha512';
}

export const curves: readonly Curve[] = [
  {
    name: 'P-256',
    openssl: 'prime256v1',
    sizeBytes: 32,
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    hash: 'sha256',
  },
  {
    name: 'P-384',
    openssl: 'secp384r1',
    sizeBytes: 48,
    prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    order:
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    hash: 'sha384',
  },
  {
    name: 'P-521',
    openssl: 'secp521r1',
    sizeBytes: 66,
    prime: 2n ** 521n - 1n,
    order:
      0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    hash: 'sha512',
  },
];

export function modulo(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

/** The inverse of a value that is not a multiple of the prime `modulus`. Only for public numbers: its time tells them. */
export function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b] = [modulo(value, modulus), modulus];
  let [x, y] = [1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b] = [b - quotient * a, a];
    [x, y] = [y - quotient * x, x];
  }
  return modulo(x, modulus);
}
