import { keySizeBytes } from './aead.ts';

/** How many keys of records are remembered for each scope: 64 KiB of them, and half a megabyte of what they are found by. */
const rememberedKeys = 2048;

/**
 * Keys of records that were opened lately, found by what they stand wrapped in. Whoever reads a record again has half the
 * decryption to do. That a record opens at its own address only does not rest on the wrapping alone: the associated
 * data of its body names the address as well.
 */
export interface OpenedKeys {
  /** The key; valid until `keep` or `wipe` is called. */
  find(wrapped: string): Uint8Array | undefined;
  /** Copies the key. The oldest one gives way. */
  keep(wrapped: string, key: Uint8Array): void;
  wipe(): void;
}

export function createOpenedKeys(): OpenedKeys {
  const keys = Buffer.allocUnsafeSlow(rememberedKeys * keySizeBytes);
  const places = new Map<string, number>();
  const found: string[] = [];
  let next = 0;

  return {
    find(wrapped) {
      const place = places.get(wrapped);
      return place === undefined
        ? undefined
        : keys.subarray(place * keySizeBytes, (place + 1) * keySizeBytes);
    },
    keep(wrapped, key) {
      const before = found[next];
      if (before !== undefined) places.delete(before);
      keys.set(key, next * keySizeBytes);
      places.set(wrapped, next);
      found[next] = wrapped;
      next = (next + 1) % rememberedKeys;
    },
    wipe() {
      keys.fill(0);
      places.clear();
      found.length = 0;
    },
  };
}
