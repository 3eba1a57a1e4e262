import { associatedData } from './aead.ts';

/** Addresses beside it in memory would be an allocation per record; this bounds the one buffer instead. */
export const maxPackedAddressLength = 2000;
const maxUtf8BytesPerUnit = 3;

export interface AadTemplate {
  /** The associated data for this address. Valid until the next call: it is the same buffer each time. */
  at(address: string): Uint8Array;
}

/**
 * `associatedData(purpose, ...parts, address)` with everything but the address written once, because encoding a list
 * of parts for every record costs as much as its encryption.
 */
export function aadTemplate(purpose: string, ...parts: ReadonlyArray<string | number>): AadTemplate {
  const prefix = associatedData(purpose, ...parts);
  const start = prefix.length + 4;
  const buffer = Buffer.alloc(start + maxPackedAddressLength * maxUtf8BytesPerUnit);
  buffer.set(prefix);
  return {
    at(address) {
      const size = buffer.write(address, start, 'utf8');
      buffer.writeUInt32BE(size, prefix.length);
      return buffer.subarray(0, start + size);
    },
  };
}
