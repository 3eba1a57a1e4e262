/**
 * The field GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2), without tables and without branches on the
 * operands: a table indexed by a secret byte tells it to whoever watches the cache.
 *
 * The operands are integers of 0 to 255, which the runtime computes with in registers; it promises nothing about time.
 */
export function multiply(left: number, right: number): number {
  let a = left;
  let product = 0;
  for (let bit = 0; bit < 8; bit += 1) {
    product ^= a & -((right >> bit) & 1);
    a = ((a << 1) & 0xff) ^ (0x1b & -(a >> 7));
  }
  return product;
}

/** `a^254`, which is the inverse of every `a` but 0, and 0 for 0. */
export function invert(a: number): number {
  // 254 = 0b11111110: square and multiply with a fixed exponent.
  let power = a;
  let result = 1;
  for (let bit = 1; bit < 8; bit += 1) {
    power = multiply(power, power);
    result = multiply(result, power);
  }
  return result;
}
