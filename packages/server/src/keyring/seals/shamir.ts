import { Fault, SecretBytes } from '@sallyport/formats';
import { invert, multiply } from './gf256.ts';

/**
 * Shamir's secret sharing over GF(2^8), byte by byte (Shamir, "How to share a secret", 1979). A share is the values of
 * the polynomials at x, followed by x itself in one byte, as Vault and OpenBao write theirs.
 */
export const maxShares = 255;
const maxSecretBytes = 1024;

export interface Split {
  /** How many shares, 1 to 255. */
  readonly shares: number;
  /** How many of them give the secret back, 1 to `shares`. */
  readonly threshold: number;
}

/** Throws `keyring.shares`, with what was expected. */
export function requireSplit({ shares, threshold }: Split): void {
  if (!Number.isInteger(shares) || shares < 1 || shares > maxShares) {
    throw refused(`1 to ${maxShares} shares`, String(shares));
  }
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > shares) {
    throw refused(`a threshold of 1 to ${shares}, the number of shares`, String(threshold));
  }
  // Otherwise each holder has the whole key alone, which several shares promise to prevent.
  if (threshold === 1 && shares > 1) throw refused('a threshold of at least 2 for several shares', '1');
}

/** `random` gives fresh random bytes, which this wipes. The shares stand at x = 1, 2, 3 and so on. */
export function split(
  secret: SecretBytes,
  { shares, threshold }: Split,
  random: (sizeBytes: number) => Uint8Array,
): readonly SecretBytes[] {
  requireSplit({ shares, threshold });
  const size = secret.sizeBytes;
  if (size < 1 || size > maxSecretBytes) throw refused(`a secret of 1 to ${maxSecretBytes} bytes`, `${size}`);
  // Coefficients from the highest power down to the secret, which is the value at x = 0.
  const coefficients = Array.from({ length: threshold - 1 }, () => random(size));
  const made: SecretBytes[] = [];
  for (let x = 1; x <= shares; x += 1) {
    const share = new Uint8Array(size + 1);
    share[size] = x;
    for (const coefficient of [...coefficients, secret.expose()]) {
      for (let at = 0; at < size; at += 1) {
        share[at] = multiply(share[at] ?? 0, x) ^ (coefficient[at] ?? 0);
      }
    }
    made.push(SecretBytes.from(share));
    share.fill(0);
  }
  for (const coefficient of coefficients) coefficient.fill(0);
  return made;
}

/**
 * The value at x = 0 of the polynomials through all the given shares. Whether that is the secret cannot be known here:
 * with shares that are too few, wrong or of different splits it is other bytes. Throws `keyring.share` for what no
 * split gives: other lengths, x = 0, one x twice.
 */
export function combine(shares: readonly SecretBytes[]): SecretBytes {
  const size = (shares[0]?.sizeBytes ?? 0) - 1;
  if (shares.length > maxShares) throw badShare(`at most ${maxShares} shares`, `${shares.length}`);
  if (size < 1 || size > maxSecretBytes) throw badShare('shares of at least 2 bytes', `${size + 1}`);
  if (shares.some((share) => share.sizeBytes !== size + 1)) throw badShare('shares of one length', 'several');
  const xs = shares.map(numberOf);
  if (xs.includes(0)) throw badShare('a share that ends in its number', 'one that ends in 0');
  if (new Set(xs).size !== xs.length) throw badShare('each share once', 'one number twice');

  const secret = new Uint8Array(size);
  for (const [index, share] of shares.entries()) {
    const weight = weightAtZero(xs, index);
    const bytes = share.expose();
    for (let at = 0; at < size; at += 1) secret[at] = (secret[at] ?? 0) ^ multiply(bytes[at] ?? 0, weight);
  }
  const result = SecretBytes.from(secret);
  secret.fill(0);
  return result;
}

/** The x of a share, 0 when it has none. Not secret. */
export function numberOf(share: SecretBytes): number {
  return share.expose()[share.sizeBytes - 1] ?? 0;
}

/** Lagrange's weight of one point at x = 0; in this field, subtraction is exclusive or. */
function weightAtZero(xs: readonly number[], index: number): number {
  const own = xs[index] ?? 0;
  let weight = 1;
  for (const [other, x] of xs.entries()) {
    if (other !== index) weight = multiply(weight, multiply(x, invert(x ^ own)));
  }
  return weight;
}

function refused(expected: string, got: string): Fault {
  return new Fault('invalid', 'keyring.shares', `expected ${expected}, got ${got}`);
}

function badShare(expected: string, got: string): Fault {
  return new Fault('invalid', 'keyring.share', `expected ${expected}, got ${got}`);
}
