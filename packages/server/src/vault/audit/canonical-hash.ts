import type { Hmac } from 'node:crypto';
import type { JsonSink } from './json-sink.ts';
import { label } from './salt.ts';

export interface CanonicalHash extends JsonSink {
  /** The hash of everything told; ends this sink. */
  finish(): string;
}

const chunkBytes = 16 * 1024;
const hexDigits = '0123456789abcdef';
const shortEscapes = new Map([
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x08, 0x62],
  [0x0c, 0x66],
  [0x0a, 0x6e],
  [0x0d, 0x72],
  [0x09, 0x74],
]);

/**
 * Hashes a value as a whole: HMAC over its compact JSON, as `JSON.stringify` writes it with numbers in the spelling
 * of `numberText` and lone surrogates as U+FFFD. So `sys/audit-hash` of that text gives the same hash. Takes any
 * depth and size in constant memory; the piece of plaintext in flight is overwritten.
 */
export function createCanonicalHash(hmac: Hmac): CanonicalHash {
  const chunk = Buffer.allocUnsafeSlow(chunkBytes);
  let used = 0;
  let comma = false;

  function flush(): void {
    hmac.update(chunk.subarray(0, used));
    chunk.fill(0, 0, used);
    used = 0;
  }

  function byte(value: number): void {
    if (used === chunkBytes) flush();
    chunk[used++] = value;
  }

  function ascii(text: string): void {
    for (let i = 0; i < text.length; i++) byte(text.charCodeAt(i));
  }

  function value(): void {
    if (comma) byte(0x2c);
    comma = true;
  }

  function begin(bracket: number): void {
    value();
    byte(bracket);
    comma = false;
  }

  function end(bracket: number): void {
    byte(bracket);
    comma = true;
  }

  function quoted(text: string): void {
    flush();
    hmac.update(JSON.stringify(text.toWellFormed()), 'utf8');
  }

  return {
    beginObject: () => begin(0x7b),
    endObject: () => end(0x7d),
    beginArray: () => begin(0x5b),
    endArray: () => end(0x5d),
    key(name) {
      value();
      quoted(name);
      byte(0x3a);
      comma = false;
    },
    text(text) {
      value();
      quoted(text);
    },
    textBytes(bytes, start, stop) {
      value();
      byte(0x22);
      for (let i = start; i < stop; i++) {
        const code = bytes[i] ?? 0;
        if (code >= 0x20 && code !== 0x22 && code !== 0x5c) {
          byte(code);
          continue;
        }
        const short = shortEscapes.get(code);
        byte(0x5c);
        if (short === undefined) ascii(`u00${hexDigits[code >> 4]}${hexDigits[code & 15]}`);
        else byte(short);
      }
      byte(0x22);
    },
    number(text) {
      value();
      ascii(text);
    },
    numberBytes(bytes, start, stop) {
      value();
      for (let i = start; i < stop; i++) byte(bytes[i] ?? 0);
    },
    literal(word) {
      value();
      ascii(word);
    },
    finish() {
      flush();
      return label(hmac.digest('hex'));
    },
  };
}
