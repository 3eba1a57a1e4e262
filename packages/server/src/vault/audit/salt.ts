import type { Hmac } from 'node:crypto';
import type { Random } from '#platform';
import { createKeyedHash, hashKeyBytes } from '../keyed-hash.ts';

/**
 * Hashes what an audit line must not show: HMAC-SHA256 (RFC 2104) under the salt of one device, written as
 * `hmac-sha256:<hex>`. Nothing that was hashed stays in here: the scratch memory is overwritten after each value.
 */
export interface AuditSalt {
  /** Of a text, as UTF-8; a lone surrogate counts as U+FFFD. This is what `sys/audit-hash` answers. */
  hash(text: string): string;
  /** Of `bytes[start..end)`: the same as `hash` of the text they encode. */
  hashBytes(bytes: Uint8Array, start: number, end: number): string;
  /** For what comes in pieces; finish it with `label(hmac.digest('hex'))`. */
  begin(): Hmac;
  /** Overwrites what was derived from the salt; everything afterwards throws `vault.hash_key`. */
  wipe(): void;
}

export const auditSaltBytes = hashKeyBytes;

export function label(hex: string): string {
  return `hmac-sha256:${hex}`;
}

/** A new salt; who keeps it keeps it sealed, and forgets it with its device (Vault does the same). */
export function makeAuditSalt(random: Random): Uint8Array {
  return random.bytes(auditSaltBytes);
}

/** The salt, 32 bytes, is copied. */
export function createAuditSalt(salt: Uint8Array): AuditSalt {
  const { text, bytes, begin, wipe } = createKeyedHash(salt);
  return {
    hash: (value) => label(text(value, 'hex')),
    hashBytes: (value, start, end) => label(bytes(value, start, end, 'hex')),
    begin,
    wipe,
  };
}
