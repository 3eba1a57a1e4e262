import { createHmac, type Hmac, hash } from 'node:crypto';
import { Fault } from '@sallyport/formats';

/** HMAC-SHA256 (RFC 2104) under one key of 32 bytes. Nothing that was hashed stays in here. */
export interface KeyedHash {
  /** Of a text, as UTF-8; a lone surrogate counts as U+FFFD. */
  text(text: string, encoding: HashEncoding): string;
  /** Of `bytes[start..end)`: the same as `text` of the text they encode. */
  bytes(bytes: Uint8Array, start: number, end: number, encoding: HashEncoding): string;
  /** For what comes in pieces. */
  begin(): Hmac;
  /** Overwrites what was derived from the key; everything afterwards throws `vault.hash_key`. */
  wipe(): void;
}

type HashEncoding = 'hex' | 'base64url';

export const hashKeyBytes = 32;
const blockBytes = 64;
const scratchBytes = 16 * 1024;

/**
 * The two padded keys of HMAC are made once and a value is copied behind the inner one, so that a hash costs two
 * one-shot digests and no object: half of what `createHmac` takes. Long values go through `createHmac`. The key is
 * copied.
 */
export function createKeyedHash(keyBytes: Uint8Array): KeyedHash {
  if (keyBytes.length !== hashKeyBytes) {
    throw new Fault(
      'internal',
      'vault.hash_key',
      `expected a key of ${hashKeyBytes} bytes, got ${keyBytes.length}`,
    );
  }
  const key = Buffer.allocUnsafeSlow(hashKeyBytes);
  key.set(keyBytes);
  const inner = Buffer.allocUnsafeSlow(blockBytes + scratchBytes).fill(0);
  const outer = Buffer.allocUnsafeSlow(blockBytes + 32).fill(0);
  for (let i = 0; i < blockBytes; i++) {
    const byte = key[i] ?? 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  let wiped = false;

  function finish(end: number, encoding: HashEncoding): string {
    // The inner digest travels as a latin1 string: one byte a character, and far cheaper than a Buffer of its own.
    const innerDigest = hash('sha256', inner.subarray(0, end), 'latin1');
    inner.fill(0, blockBytes, end);
    outer.write(innerDigest, blockBytes, 'latin1');
    return hash('sha256', outer, encoding);
  }

  function requireKey(): void {
    if (wiped) throw new Fault('internal', 'vault.hash_key', 'the key of this hash was wiped');
  }

  function begin(): Hmac {
    requireKey();
    return createHmac('sha256', key);
  }

  return {
    text(text, encoding) {
      requireKey();
      if (text.length * 3 > scratchBytes) return begin().update(text, 'utf8').digest(encoding);
      return finish(blockBytes + inner.write(text, blockBytes, 'utf8'), encoding);
    },
    bytes(bytes, start, end, encoding) {
      requireKey();
      const size = end - start;
      if (size > scratchBytes) return begin().update(bytes.subarray(start, end)).digest(encoding);
      if (size < 64) for (let i = 0; i < size; i++) inner[blockBytes + i] = bytes[start + i] ?? 0;
      else inner.set(bytes.subarray(start, end), blockBytes);
      return finish(blockBytes + size, encoding);
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
