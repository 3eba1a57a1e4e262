/**
 * Decoded values of the records that were used last, by number. All of them would be kept for as long as the server runs
 * otherwise: a metadata record takes twice its sealed size once decoded.
 */
export interface KeptValues {
  get(number: number): unknown;
  /** `sizeBytes` is that of the record, by which the memory of all values is bounded. */
  set(number: number, value: unknown, sizeBytes: number): void;
  delete(number: number): void;
}

interface Kept {
  readonly value: unknown;
  readonly sizeBytes: number;
}

/**
 * Two halves: what is used moves into the young one, and when that is full it becomes the old one, whose values go. So
 * nothing is ordered at each use, and between `maxBytes` / 2 and `maxBytes` of the values used last are there.
 */
export function createKeptValues(maxBytes: number): KeptValues {
  let young = new Map<number, Kept>();
  let old = new Map<number, Kept>();
  let youngBytes = 0;

  function put(number: number, kept: Kept): void {
    if (youngBytes + kept.sizeBytes > maxBytes / 2) {
      old = young;
      young = new Map();
      youngBytes = 0;
    }
    young.set(number, kept);
    youngBytes += kept.sizeBytes;
  }

  function forget(number: number): void {
    const kept = young.get(number);
    if (kept !== undefined) {
      young.delete(number);
      youngBytes -= kept.sizeBytes;
    }
    old.delete(number);
  }

  return {
    get(number) {
      const kept = young.get(number);
      if (kept !== undefined) return kept.value;
      const aged = old.get(number);
      if (aged === undefined) return undefined;
      old.delete(number);
      put(number, aged);
      return aged.value;
    },
    set(number, value, sizeBytes) {
      forget(number);
      put(number, { value, sizeBytes });
    },
    delete: forget,
  };
}
