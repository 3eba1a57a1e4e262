import { Fault } from '../fault.ts';

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Reads lower-case hexadecimal only: one value, one spelling. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw new Fault(
      'invalid',
      'formats.hex',
      'expected an even number of lower-case hexadecimal digits, got other text',
    );
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const sextets = new Int8Array(128).fill(-1);
for (let i = 0; i < alphabet.length; i++) sextets[alphabet.charCodeAt(i)] = i;

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x6000) {
    // A multiple of three, so that padding appears only at the end; bounded, because arguments live on the stack.
    text += btoa(String.fromCharCode(...bytes.subarray(i, i + 0x6000)));
  }
  return text;
}

/**
 * Reads standard base64 in its canonical form only: alphabet, padding, and zero bits after the data (RFC 4648
 * section 3.5). A lenient reader would let a signed document be changed in places that no check sees.
 */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw notBase64('a length that is a multiple of four');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text.length - padding;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let buffered = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const code = text.charCodeAt(i);
    const sextet = code < 128 ? (sextets[code] ?? -1) : -1;
    if (sextet < 0) throw notBase64(`the standard alphabet at offset ${i}`);
    buffered = (buffered << 6) | sextet;
    if (i % 4 === 3) {
      bytes[at++] = buffered >> 16;
      bytes[at++] = (buffered >> 8) & 0xff;
      bytes[at++] = buffered & 0xff;
      buffered = 0;
    }
  }
  if (padding === 1) {
    if ((buffered & 3) !== 0) throw notBase64('zero bits after the data');
    bytes[at++] = buffered >> 10;
    bytes[at++] = (buffered >> 2) & 0xff;
  } else if (padding === 2) {
    if ((buffered & 15) !== 0) throw notBase64('zero bits after the data');
    bytes[at++] = buffered >> 4;
  }
  return bytes;
}

function notBase64(expected: string): Fault {
  return new Fault('invalid', 'formats.base64', `expected canonical base64 with ${expected}, got other text`);
}
