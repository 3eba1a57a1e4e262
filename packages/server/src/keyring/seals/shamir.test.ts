import { randomBytes } from 'node:crypto';
import { isFault, SecretBytes } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { invert, multiply } from './gf256.ts';
import { combine, maxShares, split } from './shamir.ts';
import { parseShare } from './share-text.ts';
import vectors from './vectors/shamir.json' with { type: 'json' };

const random = (sizeBytes: number): Uint8Array => new Uint8Array(randomBytes(sizeBytes));
const secretOf = (hex: string): SecretBytes => SecretBytes.from(Buffer.from(hex, 'hex'));
const hexOf = (secret: SecretBytes): string => Buffer.from(secret.expose()).toString('hex');
const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return 'none';
};

describe('GF(2^8)', () => {
  it('multiplies as FIPS 197 section 4.2 and the Python vectors say', () => {
    expect(multiply(0x57, 0x83)).toBe(0xc1);
    expect(multiply(0x57, 0x13)).toBe(0xfe);
    for (const [left = 0, right = 0, product = 0] of vectors.products) {
      expect(multiply(left, right)).toBe(product);
    }
  });

  it('is a field: products commute, distribute over addition, and all but 0 have an inverse', () => {
    for (let a = 0; a < 256; a += 1) {
      expect(multiply(a, invert(a))).toBe(a === 0 ? 0 : 1);
      for (let b = 0; b < 256; b += 1) {
        expect(multiply(a, b)).toBe(multiply(b, a));
        expect(multiply(a, b ^ 0x35)).toBe(multiply(a, b) ^ multiply(a, 0x35));
      }
    }
  });
});

describe('combine', () => {
  it('gives the secrets of the Python vectors for every window of a threshold of shares', () => {
    for (const { threshold, secret, shares } of vectors.splits) {
      for (let first = 0; first + threshold <= shares.length; first += 1) {
        const chosen = shares.slice(first, first + threshold).map(secretOf);
        expect(hexOf(combine(chosen))).toBe(secret);
      }
      expect(hexOf(combine(shares.map(secretOf)))).toBe(secret);
    }
  });

  it('refuses what no split gives: nothing, one number twice, other lengths, number 0, too many', () => {
    const [one, two] = split(secretOf('aa'.repeat(32)), { shares: 2, threshold: 2 }, random);
    if (one === undefined || two === undefined) throw new Error('expected two shares');
    const changed = Uint8Array.from(one.expose());
    changed[0] = (changed[0] ?? 0) ^ 1;
    const zero = Uint8Array.from(one.expose());
    zero[32] = 0;
    const hostile: readonly (readonly SecretBytes[])[] = [
      [],
      [SecretBytes.from(new Uint8Array(0))],
      [SecretBytes.from(Uint8Array.of(1))],
      [one, one],
      [one, SecretBytes.from(changed)],
      [one, SecretBytes.from(two.expose().slice(0, 32))],
      [one, SecretBytes.from(new Uint8Array(34).fill(2))],
      [SecretBytes.from(zero), two],
      Array.from({ length: maxShares + 1 }, () => one),
      [SecretBytes.from(new Uint8Array(5000).fill(3))],
    ];

    for (const shares of hostile) expect(refusal(() => combine(shares))).toBe('keyring.share');
  });
});

describe('split', () => {
  it('gives shares of which every threshold combines, whatever the secret, the split and the choice', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 48 }),
        fc.integer({ min: 2, max: 12 }),
        fc.integer({ min: 2, max: 12 }),
        fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
        (bytes, first, second, order) => {
          const [threshold, shares] = [Math.min(first, second), Math.max(first, second)];
          const made = split(SecretBytes.from(bytes), { shares, threshold }, random);
          const chosen = made
            .map((share, at) => ({ share, key: order[at] ?? 0 }))
            .sort((left, right) => left.key - right.key)
            .slice(0, threshold)
            .map(({ share }) => share);

          expect(made).toHaveLength(shares);
          expect(combine(chosen).expose()).toEqual(bytes);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('gives shares of one that is 255 of 255', () => {
    const secret = SecretBytes.from(random(32));
    const made = split(secret, { shares: 255, threshold: 255 }, random);

    expect(combine(made).equals(secret)).toBe(true);
    expect(combine(made.slice(1)).equals(secret)).toBe(false);
  });

  it('gives fewer than a threshold nothing: they are spread evenly, whatever the secret byte is', () => {
    // Chi-squared over 256 values and 25,600 trials: mean 255, and above 380 about once in ten million runs.
    for (const byte of [0x00, 0xff, 0x5a]) {
      const counts = new Array<number>(256).fill(0);
      for (let trial = 0; trial < 25_600; trial += 1) {
        const [one, two] = split(SecretBytes.from(Uint8Array.of(byte)), { shares: 3, threshold: 3 }, random);
        // Two of three shares, put together as if they were enough.
        if (one === undefined || two === undefined) throw new Error('expected shares');
        const seen = combine([one, two]).expose()[0] ?? 0;
        counts[seen] = (counts[seen] ?? 0) + 1;
      }
      expect(counts.reduce((sum, count) => sum + (count - 100) ** 2 / 100, 0)).toBeLessThan(380);
    }
  });

  it('refuses splits that cannot be, or that give each holder everything', () => {
    const secret = SecretBytes.from(random(32));

    for (const [shares, threshold] of [
      [0, 0],
      [1, 0],
      [1, 2],
      [256, 2],
      [2.5, 2],
      [3, 1],
      [5, Number.NaN],
      [-1, -1],
    ] as const) {
      expect(refusal(() => split(secret, { shares, threshold }, random))).toBe('keyring.shares');
    }
    expect(hexOf(combine(split(secret, { shares: 1, threshold: 1 }, random)))).toBe(hexOf(secret));
  });
});

describe('parseShare', () => {
  it('reads hexadecimal of either case and base64', () => {
    const bytes = random(33);
    const hex = Buffer.from(bytes).toString('hex');

    for (const text of [hex, hex.toUpperCase(), Buffer.from(bytes).toString('base64')]) {
      expect(parseShare(text).expose()).toEqual(bytes);
    }
  });

  it('refuses everything else, without saying what it was', () => {
    const hex = 'ab'.repeat(33);
    const hostile = ['', hex.slice(1), `${hex}0`, ` ${hex}`, `${hex}\n`, `${'g'.repeat(66)}`, '-'.repeat(44)];

    for (const text of [...hostile, `${'A'.repeat(43)}=`, 'A'.repeat(1_000_000)]) {
      expect(refusal(() => parseShare(text))).toBe('keyring.share');
    }
    expect(() => parseShare('my secret share')).not.toThrow(/secret share/);
  });
});
