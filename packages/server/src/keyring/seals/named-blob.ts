import { fromUtf8, utf8 } from '@sallyport/formats';

/**
 * What a seal outside of this process gave, with the name of the key it used: format (1) || size of the name (2, big
 * endian) || name || blob. The name tells without asking anybody whether a configured seal can open it. It is not
 * authenticated, so it is compared with the configuration and never used to find out whom to ask.
 */
const format = 1;
const headSizeBytes = 3;
const maxNameBytes = 2048;

export interface NamedBlob {
  readonly name: string;
  readonly blob: Uint8Array;
}

export function packNamed(name: string, blob: Uint8Array): Uint8Array {
  const bytes = utf8(name).subarray(0, maxNameBytes);
  return Uint8Array.of(format, bytes.length >> 8, bytes.length & 0xff, ...bytes, ...blob);
}

/** `undefined` for bytes that `packNamed` did not make. */
export function unpackNamed(sealed: Uint8Array): NamedBlob | undefined {
  const [version, high = 0, low = 0] = sealed;
  const end = headSizeBytes + high * 256 + low;
  if (version !== format || end > headSizeBytes + maxNameBytes || sealed.length <= end) return undefined;
  try {
    return { name: fromUtf8(sealed.subarray(headSizeBytes, end)), blob: sealed.subarray(end) };
  } catch {
    // Not UTF-8: nothing that was packed here.
    return undefined;
  }
}
