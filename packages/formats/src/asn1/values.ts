import { fromUtf8 } from '../bytes/bytes.ts';
import { expectTag } from './fields.ts';
import { type DerNode, derFault } from './parse.ts';
import { tags } from './tags.ts';

/** The content of an INTEGER as it stands, two's complement, big endian: a serial number is compared, not counted. */
export function derIntegerBytes(node: DerNode, what: string, maxBytes: number): Uint8Array {
  const { content } = expectTag(node, what, tags.integer);
  if (content.length > maxBytes) throw derFault(node.offset, `${what} of at most ${maxBytes} bytes`, 'more');
  return content;
}

/** A small non-negative INTEGER, at most `most`. */
export function derNumber(node: DerNode, what: string, most: number): number {
  const content = derIntegerBytes(node, what, 6);
  let value = 0;
  for (const byte of content) value = value * 256 + byte;
  if ((content[0] ?? 0) >= 0x80 || value > most) {
    throw derFault(node.offset, `${what} from 0 to ${most}`, 'another number');
  }
  return value;
}

export function derBoolean(node: DerNode, what: string): boolean {
  return expectTag(node, what, tags.boolean).content[0] === 0xff;
}

export function derOctets(node: DerNode, what: string): Uint8Array {
  return expectTag(node, what, tags.octetString).content;
}

/** The bytes of a BIT STRING without unused bits: signatures and keys. */
export function derBitBytes(node: DerNode, what: string): Uint8Array {
  const { content } = expectTag(node, what, tags.bitString);
  if (content[0] !== 0) throw derFault(node.offset, `${what} in whole bytes`, 'unused bits');
  return content.subarray(1);
}

/** An OBJECT IDENTIFIER in dots. */
export function derOid(node: DerNode, what: string): string {
  const { content } = expectTag(node, what, tags.oid);
  // The longest identifiers in use have about 20 bytes; arcs above 2^53 have no use but to confuse.
  if (content.length > 64) throw derFault(node.offset, `${what} of at most 64 bytes`, 'more');
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc))
      throw derFault(node.offset, `${what} with arcs below 2^53`, 'a larger one');
    if (byte < 0x80) {
      if (arcs.length === 0) {
        const top = Math.min(Math.floor(arc / 40), 2);
        arcs.push(top, arc - 40 * top);
      } else {
        arcs.push(arc);
      }
      arc = 0;
    }
  }
  return arcs.join('.');
}

const ascii = /^[\x20-\x7e]*$/;

/** The text of a UTF8String, PrintableString or IA5String; control characters are refused in the latter two. */
export function derText(node: DerNode, what: string, maxBytes = 4096): string {
  const { tag, content } = node;
  if (content.length > maxBytes) throw derFault(node.offset, `${what} of at most ${maxBytes} bytes`, 'more');
  if (tag === tags.utf8String) return fromUtf8(content);
  if (tag === tags.ia5String || tag === tags.printableString) return derAscii(node, what);
  throw derFault(node.offset, `${what} as text`, `tag 0x${tag.toString(16)}`);
}

/** The content as printable ASCII, whatever the tag says: the strings of GeneralName have context tags. */
export function derAscii(node: DerNode, what: string, maxBytes = 4096): string {
  const { content } = node;
  const text = content.length > maxBytes ? '\u0000' : String.fromCharCode(...content);
  if (!ascii.test(text)) throw derFault(node.offset, `${what} as printable ASCII`, 'other bytes');
  return text;
}

const timePattern = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.(\d{1,9}))?Z$/;

/**
 * UTCTime or GeneralizedTime in milliseconds since 1970, a fraction of a millisecond cut off. Seconds and `Z` are
 * mandatory, a year of two digits is one from 1950 to 2049 (RFC 5280 section 4.1.2.5).
 */
export function derTime(node: DerNode, what: string): number {
  if (node.tag !== tags.utcTime && node.tag !== tags.generalizedTime) {
    throw derFault(node.offset, `${what} as a time`, `tag 0x${node.tag.toString(16)}`);
  }
  const text = derAscii(node, what, 32);
  const century = Number(text.slice(0, 2)) >= 50 ? '19' : '20';
  const full = node.tag === tags.utcTime ? `${century}${text}` : text;
  const [, year, month, day, hour, minute, second, fraction = ''] = timePattern.exec(full) ?? [];
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const milliseconds = Date.parse(iso);
  // Date takes February 30 and hour 24 for another day; the round trip finds that.
  const exists = !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString() === iso;
  const oneSpelling = !fraction.endsWith('0') && (fraction === '' || node.tag === tags.generalizedTime);
  if (year === undefined || !exists || !oneSpelling) {
    throw derFault(node.offset, `${what} in UTC, with seconds`, JSON.stringify(text.slice(0, 32)));
  }
  return milliseconds + Number(fraction.padEnd(3, '0').slice(0, 3));
}
