import { concatBytes, utf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';
import { compareEncodings, contextTag, tags } from './tags.ts';

function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length < 0x80) return concatBytes(Uint8Array.of(tag, length), ...parts);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return concatBytes(Uint8Array.of(tag, 0x80 | bytes.length, ...bytes), ...parts);
}

function magnitude(value: bigint): Uint8Array {
  if (value < 0n) throw refused('a non-negative integer', String(value));
  const hex = value.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  return Uint8Array.from(even.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function integer(value: bigint | number | Uint8Array): Uint8Array {
  const bytes = typeof value === 'object' ? value : magnitude(BigInt(value));
  const start = bytes.findIndex((byte) => byte !== 0);
  const minimal = start < 0 ? Uint8Array.of(0) : bytes.subarray(start);
  return element(tags.integer, (minimal[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : Uint8Array.of(), minimal);
}

function oid(dotted: string): Uint8Array {
  if (!/^[0-2](?:\.(?:0|[1-9]\d{0,14}))+$/.test(dotted)) throw refused('an object identifier', dotted);
  const [top = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  if (top < 2 && second > 39) throw refused('a second arc below 40', dotted);
  const bytes = [top * 40 + second, ...rest].flatMap((arc) => {
    const septets = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      septets.unshift(0x80 | (left % 128));
    }
    return septets;
  });
  return element(tags.oid, Uint8Array.from(bytes));
}

function ascii(tag: number, pattern: RegExp, text: string): Uint8Array {
  if (!pattern.test(text))
    throw refused(`text matching ${pattern.source}`, JSON.stringify(text.slice(0, 40)));
  return element(tag, utf8(text));
}

/** Digits of `at` in UTC, to the second: certificates have no fractions (RFC 5280 section 4.1.2.5). */
function digits(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
}

function utcTime(at: Date): Uint8Array {
  const year = at.getUTCFullYear();
  if (year < 1950 || year > 2049) throw refused('a year from 1950 to 2049', String(year));
  return element(tags.utcTime, utf8(digits(at).slice(2)));
}

function generalizedTime(at: Date): Uint8Array {
  return element(tags.generalizedTime, utf8(digits(at)));
}

/**
 * Writes DER (X.690): each function returns one whole element, to be nested as it is. What `parseDer` reads back is
 * the same; values that have no encoding are refused with Fault `invalid`.
 */
export const der = {
  sequence: (...members: readonly Uint8Array[]): Uint8Array => element(tags.sequence, ...members),
  /** Sorts its members, as DER demands. */
  set: (...members: readonly Uint8Array[]): Uint8Array =>
    element(tags.set, ...members.toSorted(compareEncodings)),
  /** A non-negative integer; bytes are taken as one, big endian, with or without leading zeros. */
  integer,
  oid,
  octetString: (bytes: Uint8Array): Uint8Array => element(tags.octetString, bytes),
  /** `unusedBits` 0 to 7, which must be zero in the last byte. */
  bitString: (bytes: Uint8Array, unusedBits = 0): Uint8Array =>
    element(tags.bitString, Uint8Array.of(unusedBits), bytes),
  utf8String: (text: string): Uint8Array => element(tags.utf8String, utf8(text)),
  ia5String: (text: string): Uint8Array => ascii(tags.ia5String, /^[\x20-\x7e]*$/, text),
  printableString: (text: string): Uint8Array =>
    ascii(tags.printableString, /^[A-Za-z0-9 '()+,\-./:=?]*$/, text),
  boolean: (value: boolean): Uint8Array => element(tags.boolean, Uint8Array.of(value ? 0xff : 0)),
  null: (): Uint8Array => element(tags.null),
  utcTime,
  generalizedTime,
  /** The form that RFC 5280 demands for a certificate: UTCTime until 2049, GeneralizedTime from then on. */
  time: (at: Date): Uint8Array => (at.getUTCFullYear() < 2050 ? utcTime(at) : generalizedTime(at)),
  /** `[number] EXPLICIT`: wraps whole elements. */
  explicit: (number: number, ...members: readonly Uint8Array[]): Uint8Array =>
    element(contextTag(number, true), ...members),
  /** `[number] IMPLICIT`: takes the place of the element's own tag. */
  implicit: (number: number, member: Uint8Array): Uint8Array => {
    const constructed = ((member[0] ?? 0) & 0x20) !== 0;
    return concatBytes(Uint8Array.of(contextTag(number, constructed)), member.subarray(1));
  },
  /** A primitive context tag around bytes that are no element: the strings of GeneralName, key identifiers. */
  context: (number: number, bytes: Uint8Array): Uint8Array => element(contextTag(number, false), bytes),
} as const;

function refused(expected: string, got: string): Fault {
  return new Fault('invalid', 'formats.der_value', `expected ${expected} to write as DER, got ${got}`);
}
