import { Fault } from '@sallyport/formats';
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
  /** The first bytes of the last outputs, in a ring. */
  const marks = new Uint8Array(windowSize * comparedBytes);
  /**
   * Where in the ring an output is, by its first 48 bits: hashing a number costs less than hashing a text. Of two outputs
   * with the same 48 bits only the younger is found; among 4096 honest ones there are two once in 2^25 times.
   */
  const seen = new Map<number, number>();
  let next = 0;
  let broken = false;

  function isSeen(bytes: Uint8Array): boolean {
    const place = seen.get(keyOf(bytes, 0));
    if (place === undefined) return false;
    for (let at = 0; at < comparedBytes; at += 1)
      if (bytes[at] !== marks[place * comparedBytes + at]) return false;
    return true;
  }

  function remember(bytes: Uint8Array): void {
    const start = next * comparedBytes;
    const oldest = keyOf(marks, start);
    if (seen.get(oldest) === next) seen.delete(oldest);
    for (let at = 0; at < comparedBytes; at += 1) marks[start + at] = bytes[at] ?? 0;
    seen.set(keyOf(bytes, 0), next);
    next = (next + 1) % windowSize;
  }

  return {
    bytes(sizeBytes) {
      if (broken || sizeBytes < comparedBytes) throw failed();
      const bytes = random.bytes(sizeBytes);
      if (bytes.length !== sizeBytes || bytes.every((byte) => byte === bytes[0]) || isSeen(bytes)) {
        broken = true;
        throw failed();
      }
      remember(bytes);
      return bytes;
    },
  };
}

function keyOf(bytes: Uint8Array, start: number): number {
  let key = 0;
  for (let at = start; at < start + 6; at += 1) key = key * 256 + (bytes[at] ?? 0);
  return key;
}

function failed(): Fault {
  return new Fault(
    'internal',
    'keyring.random_failed',
    'expected fresh random bytes from the operating system, got bytes that repeat',
    { hint: 'restart this machine; nothing was encrypted with the repeated bytes' },
  );
}
