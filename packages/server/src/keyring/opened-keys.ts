import { keySizeBytes } from './aead.ts';
import { nonceAt, wrappedAt } from './packed-record.ts';

/** A power of two: 200 KiB for each scope. */
const places = 2048;

/**
 * Keys of records that were opened lately, found by what they stand wrapped in. Whoever reads a record again has half the
 * decryption to do. That a record opens at its own address only does not rest on the wrapping alone: the associated
 * data of its body names the address as well.
 */
export interface OpenedKeys {
  /** The key of a packed record; valid until `keep` or `wipe` is called. */
  find(sealed: Uint8Array): Uint8Array | undefined;
  /** Copies the key. Another one, whose record has the same place, gives way. */
  keep(sealed: Uint8Array, key: Uint8Array): void;
  wipe(): void;
}

/** The place of a record is a part of its nonce, which is random; all up to its body is compared. */
export function createOpenedKeys(): OpenedKeys {
  const keys = Buffer.allocUnsafeSlow(places * keySizeBytes).fill(0);
  const heads = Buffer.allocUnsafeSlow(places * nonceAt).fill(0);
  const placeOf = (sealed: Uint8Array): number =>
    ((sealed[wrappedAt] ?? 0) * 256 + (sealed[wrappedAt + 1] ?? 0)) % places;

  return {
    find(sealed) {
      const place = placeOf(sealed);
      const head = place * nonceAt;
      // A record's head begins with its format, which is not zero: an empty place is nobody's.
      if (heads.compare(sealed, 0, nonceAt, head, head + nonceAt) !== 0) return undefined;
      return keys.subarray(place * keySizeBytes, (place + 1) * keySizeBytes);
    },
    keep(sealed, key) {
      const place = placeOf(sealed);
      heads.set(sealed.subarray(0, nonceAt), place * nonceAt);
      keys.set(key, place * keySizeBytes);
    },
    wipe() {
      keys.fill(0);
      heads.fill(0);
    },
  };
}
