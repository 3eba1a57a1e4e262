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
  const seen = new Set<string>();
  /** The same marks by age: finding the oldest in a Set walks over every deleted place. */
  const byAge: string[] = [];
  let next = 0;
  let broken = false;
  return {
    bytes(sizeBytes) {
      if (broken || sizeBytes < comparedBytes) throw failed();
      const bytes = random.bytes(sizeBytes);
      const mark = markOf(bytes);
      if (bytes.length !== sizeBytes || bytes.every((byte) => byte === bytes[0]) || seen.has(mark)) {
        broken = true;
        throw failed();
      }
      seen.delete(byAge[next] ?? '');
      seen.add(mark);
      byAge[next] = mark;
      next = (next + 1) % windowSize;
      return bytes;
    },
  };
}

/** One character per byte: encoding it as hexadecimal costs more than drawing the bytes. */
function markOf(bytes: Uint8Array): string {
  let mark = '';
  for (let at = 0; at < comparedBytes; at += 1) mark += String.fromCharCode(bytes[at] ?? 0);
  return mark;
}

function failed(): Fault {
  return new Fault(
    'internal',
    'keyring.random_failed',
    'expected fresh random bytes from the operating system, got bytes that repeat',
    { hint: 'restart this machine; nothing was encrypted with the repeated bytes' },
  );
}
