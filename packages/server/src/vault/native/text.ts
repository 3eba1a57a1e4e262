import { isUtf8 } from 'node:buffer';
import { SecretBytes } from '@sallyport/formats';
import { unescapeInto } from '../audit/json-unescape.ts';
import { rawMembers } from '../raw-member.ts';

/**
 * Values of the native interface are bytes; those of Vault's are JSON. Text stays text, so that both sides see the same.
 * Bytes that are no UTF-8 become base64 after this mark, and so does a text that begins with the mark by itself: every
 * value comes back as it was. No text becomes a string of the runtime, which nobody could wipe; base64 does.
 */
const binaryMark = Buffer.from('sallyport:base64:');

/** The JSON object of these values; the caller wipes it. */
export function jsonOfValues(data: Readonly<Record<string, SecretBytes>>): Buffer {
  const parts: Buffer[] = [];
  for (const [key, value] of Object.entries(data)) {
    parts.push(Buffer.from(`${parts.length === 0 ? '{' : ','}${JSON.stringify(key)}:`), jsonOfBytes(value));
  }
  parts.push(Buffer.from(parts.length === 0 ? '{}' : '}'));
  const json = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  return json;
}

/** What each member of a JSON object is as bytes: a text its UTF-8, anything else the JSON that was written. */
export function valuesOfJson(json: Buffer): Readonly<Record<string, SecretBytes>> {
  const values: Record<string, SecretBytes> = Object.create(null);
  for (const { name, value } of rawMembers(json)) values[name] = bytesOfJson(value);
  return values;
}

function jsonOfBytes(value: SecretBytes): Buffer {
  const bytes = value.expose();
  if (isUtf8(bytes) && !startsWithMark(bytes)) return quoted(bytes);
  const base64 = Buffer.from(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'));
  const json = Buffer.concat([Buffer.from('"'), binaryMark, base64, Buffer.from('"')]);
  base64.fill(0);
  return json;
}

function bytesOfJson(json: Buffer): SecretBytes {
  if (json[0] !== quote) return SecretBytes.from(json);
  const text = Buffer.allocUnsafeSlow(json.length);
  try {
    const size = unescapeInto(text, json, 1, json.length - 1) ?? 0;
    const inside = text.subarray(0, size);
    return binaryOf(inside) ?? SecretBytes.from(inside);
  } finally {
    text.fill(0);
  }
}

/** Somebody's text that only looks like ours is theirs, and stays as it is. */
function binaryOf(text: Buffer): SecretBytes | undefined {
  if (!startsWithMark(text)) return undefined;
  const base64 = text.toString('latin1', binaryMark.length);
  const bytes = Buffer.from(base64, 'base64');
  const same = bytes.toString('base64') === base64;
  const secret = same ? SecretBytes.from(bytes) : undefined;
  bytes.fill(0);
  return secret;
}

function startsWithMark(bytes: Uint8Array): boolean {
  return binaryMark.equals(bytes.subarray(0, binaryMark.length));
}

const quote = 0x22;
const backslash = 0x5c;

/** A JSON string of UTF-8 bytes. */
function quoted(bytes: Uint8Array): Buffer {
  let size = 2;
  for (const byte of bytes) size += byte < 0x20 ? 6 : byte === quote || byte === backslash ? 2 : 1;
  const json = Buffer.allocUnsafeSlow(size);
  let at = 0;
  json[at++] = quote;
  for (const byte of bytes) {
    if (byte < 0x20) at += json.write(`\\u00${byte.toString(16).padStart(2, '0')}`, at, 'latin1');
    else {
      if (byte === quote || byte === backslash) json[at++] = backslash;
      json[at++] = byte;
    }
  }
  json[at] = quote;
  return json;
}
