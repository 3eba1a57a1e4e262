import { fromUtf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';

/** One 512-byte header, read but not yet judged. */
export interface TarHeader {
  readonly name: string;
  readonly typeFlag: string;
  readonly mode: number;
  readonly mtimeSeconds: number;
  readonly sizeBytes: number;
  readonly linkName: string;
}

/** What pax records and GNU long names say about the entry that follows them. */
export interface Overrides {
  path?: string;
  linkpath?: string;
  size?: number;
  mtime?: number;
}

/** Reads a ustar or GNU header; undefined for a block of zeros. A wrong checksum is refused. */
export function parseTarHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  checkSum(block);
  const magic = String.fromCharCode(...block.subarray(257, 265));
  const isPosix = magic === 'ustar\u000000';
  if (!isPosix && magic !== 'ustar  \u0000') throw refused('a ustar, pax or GNU header', 'another magic');
  const name = textField(block, 0, 100);
  // GNU archives keep other things where POSIX has the prefix.
  const prefix = isPosix ? textField(block, 345, 155) : '';
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    typeFlag: String.fromCharCode(block[156] ?? 0),
    mode: numberField(block, 100, 8) % 0o10000,
    mtimeSeconds: numberField(block, 136, 12),
    sizeBytes: numberField(block, 124, 12),
    linkName: textField(block, 157, 100),
  };
}

/** Reads the records of a pax header (POSIX.1-2008): `"<length> <key>=<value>\n"`, each exactly as long as it says. */
export function parsePax(body: Uint8Array): Overrides {
  const overrides: Overrides = {};
  const seen = new Set<string>();
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(0x20, at);
    const digits = space < 0 || space - at > 10 ? '' : fromUtf8(body.subarray(at, space));
    const end = at + (/^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0);
    if (end <= space || end > body.length || body[end - 1] !== 0x0a)
      throw refused('a pax record', 'a malformed one');
    const equals = body.indexOf(0x3d, space);
    if (equals < 0 || equals >= end) throw refused('a pax record', 'one without "="');
    const key = fromUtf8(body.subarray(space + 1, equals));
    if (seen.has(key)) throw refused('each pax key once', key);
    seen.add(key);
    applyPax(overrides, key, body.subarray(equals + 1, end - 1));
    at = end;
  }
  return overrides;
}

function applyPax(overrides: Overrides, key: string, value: Uint8Array): void {
  if (key === 'path') overrides.path = fromUtf8(value);
  else if (key === 'linkpath') overrides.linkpath = fromUtf8(value);
  else if (key === 'size') overrides.size = decimal(fromUtf8(value), /^[0-9]{1,16}$/);
  else if (key === 'mtime')
    overrides.mtime = Math.trunc(decimal(fromUtf8(value), /^[0-9]{1,12}(?:\.[0-9]{1,20})?$/));
  // A sparse file's size in the header is not the size on disk: readers that do not know that see other bytes.
  else if (key.startsWith('GNU.sparse')) throw refused('no sparse files', key);
}

function decimal(text: string, form: RegExp): number {
  if (!form.test(text) || !Number.isSafeInteger(Math.trunc(Number(text))))
    throw refused('a number in pax', text);
  return Number(text);
}

function checkSum(block: Uint8Array): void {
  let sum = 8 * 0x20;
  for (let i = 0; i < block.length; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0;
  if (numberField(block, 148, 8) !== sum) throw refused('a header with a right checksum', 'a wrong one');
}

function textField(block: Uint8Array, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return fromUtf8(end < 0 ? field : field.subarray(0, end));
}

/** Octal text ended by spaces or zeros, or GNU's base-256 with the top bit set. */
function numberField(block: Uint8Array, offset: number, length: number): number {
  const field = block.subarray(offset, offset + length);
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) {
    let value = first & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    // 0xff begins a negative number; those are beyond the safe integers as well.
    if (!Number.isSafeInteger(value)) throw refused('a number that fits', 'a larger one');
    return value;
  }
  const match = /^ *([0-7]*)[ \0]*$/.exec(String.fromCharCode(...field));
  if (match === null) throw refused('an octal number', 'other text');
  return match[1] === '' ? 0 : Number.parseInt(match[1] ?? '', 8);
}

function refused(expected: string, got: string): Fault {
  return new Fault(
    'invalid',
    'formats.tar_header',
    `expected ${expected} in the archive, got ${JSON.stringify(got.slice(0, 100))}`,
  );
}
