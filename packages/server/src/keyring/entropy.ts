import { Fault, toHex } from '@sallyport/formats';
import type { Random } from '#platform';

/** How many recent outputs are remembered. */
const windowSize = 4096;
const comparedBytes = 12;

export interface Entropy {
  /** `sizeBytes` (at least 12) fresh bytes, which the caller owns and wipes. */
  bytes(sizeBytes: number): Uint8Array;
}

/**
 * Fails closed when the generator breaks: a nonce that repeats under one key gives away GCM's authentication key and
 * the XOR of two plaintexts (NIST SP 800-38D appendix A), and a cloned or stuck generator repeats. An output of the
 * wrong size, of one byte value only, or whose first 96 bits came among the last 4096 outputs, stops the keyring's
 * encryption for good: a generator that repeated once is not asked again.
 *
 * KNOWN LIMIT: repeats further apart than the window, and between processes, are not seen.
 */
export function createEntropy(random: Random): Entropy {
  const seen = new Set<string>();
  let broken = false;
  return {
    bytes(sizeBytes) {
      if (broken || sizeBytes < comparedBytes) throw failed();
      const bytes = random.bytes(sizeBytes);
      const mark = toHex(bytes.subarray(0, comparedBytes));
      if (bytes.length !== sizeBytes || bytes.every((byte) => byte === bytes[0]) || seen.has(mark)) {
        broken = true;
        throw failed();
      }
      seen.add(mark);
      // A Set iterates in the order of insertion: the first is the oldest.
      if (seen.size > windowSize) for (const oldest of seen.values().take(1)) seen.delete(oldest);
      return bytes;
    },
  };
}

function failed(): Fault {
  return new Fault(
    'internal',
    'keyring.random_failed',
    'expected fresh random bytes from the operating system, got bytes that repeat',
    { hint: 'restart this machine; nothing was encrypted with the repeated bytes' },
  );
}
