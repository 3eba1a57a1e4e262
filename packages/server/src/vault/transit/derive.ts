import { hkdfSync, type KeyObject } from 'node:crypto';
import { refused } from './faults.ts';
import { type Fields, readBytes } from './fields.ts';
import type { TransitKey } from './key.ts';

const noSalt = new Uint8Array(0);

/** The context a request gives: required for derived keys, without a meaning for others. */
export function readContext(key: TransitKey, fields: Fields): Buffer | undefined {
  if (!key.derived) return undefined;
  const context = readBytes(fields, 'context');
  if (context === undefined || context.length === 0) {
    throw refused('context', "missing 'context' for key derivation: this key was created as a derived key");
  }
  // The runtime takes no more as the info of HKDF.
  if (context.length > 1024) {
    throw refused('context', `expected a context of at most 1024 bytes, got ${context.length}`);
  }
  return context;
}

/** HKDF-SHA256 (RFC 5869) without salt and with the context as info, as Vault derives. The caller overwrites the result. */
export function deriveBytes(secret: KeyObject, context: Uint8Array, sizeBytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, noSalt, context, sizeBytes));
}
