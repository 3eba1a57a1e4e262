import { createHmac, hash as digest, type Hmac } from 'node:crypto';
import { Fault } from '@sallyport/formats';
import type { Random } from '#platform';

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
  /** Overwrites what was derived from the salt; everything afterwards throws `vault.audit_salt`. */
  wipe(): void;
}

export const auditSaltBytes = 32;
const blockBytes = 64;
const scratchBytes = 16 * 1024;

export function label(hex: string): string {
  return `hmac-sha256:${hex}`;
}

/** A new salt; who keeps it keeps it sealed, and forgets it with its device (Vault does the same). */
export function makeAuditSalt(random: Random): Uint8Array {
  return random.bytes(auditSaltBytes);
}

/**
 * The two padded keys of HMAC are made once and a value is copied behind the inner one, so that a hash costs two
 * one-shot digests and no object: half of what `createHmac` takes. Long values go through `createHmac`.
 */
export function createAuditSalt(salt: Uint8Array): AuditSalt {
  if (salt.length !== auditSaltBytes) {
    throw new Fault(
      'internal',
      'vault.audit_salt',
      `expected a salt of ${auditSaltBytes} bytes, got ${salt.length}`,
    );
  }
  const key = Buffer.from(salt);
  const inner = Buffer.allocUnsafeSlow(blockBytes + scratchBytes).fill(0);
  const outer = Buffer.allocUnsafeSlow(blockBytes + 32).fill(0);
  for (let i = 0; i < blockBytes; i++) {
    const byte = key[i] ?? 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  let wiped = false;

  function finish(end: number): string {
    // The inner digest travels as a latin1 string: one byte a character, and far cheaper than a Buffer of its own.
    const innerDigest = digest('sha256', inner.subarray(0, end), 'latin1');
    inner.fill(0, blockBytes, end);
    outer.write(innerDigest, blockBytes, 'latin1');
    return `hmac-sha256:${digest('sha256', outer, 'hex')}`;
  }

  function requireSalt(): void {
    if (wiped) throw new Fault('internal', 'vault.audit_salt', 'the salt of the audit device was wiped');
  }

  function begin(): Hmac {
    requireSalt();
    return createHmac('sha256', key);
  }

  return {
    hash(text) {
      requireSalt();
      if (text.length * 3 > scratchBytes) return label(begin().update(text, 'utf8').digest('hex'));
      return finish(blockBytes + inner.write(text, blockBytes, 'utf8'));
    },
    hashBytes(bytes, start, end) {
      requireSalt();
      const size = end - start;
      if (size > scratchBytes) return label(begin().update(bytes.subarray(start, end)).digest('hex'));
      if (size < 64) for (let i = 0; i < size; i++) inner[blockBytes + i] = bytes[start + i] ?? 0;
      else inner.set(bytes.subarray(start, end), blockBytes);
      return finish(blockBytes + size);
    },
    begin,
    wipe() {
      wiped = true;
      key.fill(0);
      inner.fill(0);
      outer.fill(0);
    },
  };
}
