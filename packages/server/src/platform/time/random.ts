import { randomFillSync } from 'node:crypto';
import type { Random } from '../ports.ts';

const poolBytes = 4096;
/** What is longer is drawn by itself. */
const longestPooled = 256;

/**
 * Draws many bytes at once and hands each out once: a write of a secret draws a dozen times, and each draw costs as much
 * as half an encryption. A byte is gone from here when it was given, and no other copy of it was made.
 */
export function createRandom(): Random {
  const pool = Buffer.allocUnsafeSlow(poolBytes);
  let next = poolBytes;
  return {
    bytes(sizeBytes) {
      if (sizeBytes > longestPooled) return randomFillSync(new Uint8Array(sizeBytes));
      if (next + sizeBytes > poolBytes) {
        randomFillSync(pool);
        next = 0;
      }
      const end = next + sizeBytes;
      const bytes = new Uint8Array(pool.subarray(next, end));
      pool.fill(0, next, end);
      next = end;
      return bytes;
    },
  };
}
