import { isUtf8 } from 'node:buffer';
import { Fault, fromUtf8 } from '@sallyport/formats';

/**
 * JSON as places in its bytes: a secret value goes from the answer into `SecretBytes` without ever being a JavaScript
 * string, which nobody could wipe. Names become strings; they are no secrets.
 */
export interface JsonPlace {
  readonly kind: 'object' | 'array' | 'string' | 'other';
  /** The first byte of the value, and the one after its last. */
  readonly start: number;
  readonly end: number;
  /** Of an object, by name. */
  readonly members: ReadonlyMap<string, JsonPlace>;
  /** Of an array, in order. */
  readonly items: readonly JsonPlace[];
}

const maxDepth = 64;
const maxMembers = 100_000;
const none: ReadonlyMap<string, JsonPlace> = new Map();

/** Reads strict JSON (RFC 8259): UTF-8, no name twice, no lone surrogate, bounded depth. Throws Fault `vault.json`. */
export function placesOf(bytes: Uint8Array): JsonPlace {
  if (!isUtf8(bytes)) throw broken('UTF-8', 0);
  let at = 0;
  let members = 0;

  const space = (): void => {
    while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at += 1;
  };
  const take = (mark: string): void => {
    if (bytes[at] !== mark.charCodeAt(0)) throw broken(`'${mark}'`, at);
    at += 1;
  };

  function value(depth: number): JsonPlace {
    if (depth > maxDepth) throw broken(`at most ${maxDepth} levels`, at);
    const start = at;
    switch (bytes[at]) {
      case 0x7b:
        return { kind: 'object', start, members: object(depth), items: [], end: at };
      case 0x5b:
        return { kind: 'array', start, members: none, items: array(depth), end: at };
      case 0x22:
        skipString();
        return { kind: 'string', start, members: none, items: [], end: at };
      default:
        other();
        return { kind: 'other', start, members: none, items: [], end: at };
    }
  }

  function object(depth: number): ReadonlyMap<string, JsonPlace> {
    const found = new Map<string, JsonPlace>();
    at += 1;
    space();
    if (bytes[at] === 0x7d) {
      at += 1;
      return found;
    }
    for (;;) {
      space();
      const start = at;
      skipString();
      const name = fromUtf8(unescaped(bytes, { start, end: at }));
      if (found.has(name)) throw broken('each name once', start);
      count(start);
      space();
      take(':');
      space();
      found.set(name, value(depth + 1));
      space();
      if (bytes[at] === 0x7d) break;
      take(',');
    }
    at += 1;
    return found;
  }

  function array(depth: number): readonly JsonPlace[] {
    const found: JsonPlace[] = [];
    at += 1;
    space();
    if (bytes[at] === 0x5d) {
      at += 1;
      return found;
    }
    for (;;) {
      space();
      count(at);
      found.push(value(depth + 1));
      space();
      if (bytes[at] === 0x5d) break;
      take(',');
    }
    at += 1;
    return found;
  }

  /** Each of them takes more memory than the few bytes it is written with. */
  function count(start: number): void {
    members += 1;
    if (members > maxMembers) throw broken(`at most ${maxMembers} members`, start);
  }

  function skipString(): void {
    const start = at;
    let hasEscape = false;
    take('"');
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined || byte < 0x20) throw broken('a closing double quote', start);
      at += byte === 0x5c ? 2 : 1;
      hasEscape ||= byte === 0x5c;
      if (byte === 0x22) break;
    }
    // A text that cannot be read is found out now, not when it is needed.
    if (hasEscape) unescaped(bytes, { start, end: at }).fill(0);
  }

  function other(): void {
    const start = at;
    while (at - start < 400 && /[-+.0-9a-zA-Z]/.test(String.fromCharCode(bytes[at] ?? 0))) at += 1;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, at - start).toString('latin1');
    if (!/^(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)$/.test(text)) {
      throw broken('a value', start);
    }
  }

  space();
  const root = value(1);
  space();
  if (at !== bytes.length) throw broken('the end', at);
  return root;
}

/** What a string says, in UTF-8: new bytes that the caller owns. */
export function unescaped(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): Uint8Array {
  // No escape is shorter than what it stands for.
  const text = new Uint8Array(end - start - 2);
  let size = 0;
  for (let at = start + 1; at < end - 1; ) {
    const byte = bytes[at] ?? 0;
    if (byte !== 0x5c) {
      text[size++] = byte;
      at += 1;
      continue;
    }
    const letter = bytes[at + 1] ?? 0;
    if (letter !== 0x75) {
      const plain = escapes.get(letter);
      if (plain === undefined) throw broken('one of the escapes of RFC 8259', at);
      text[size++] = plain;
      at += 2;
      continue;
    }
    let code = hexUnit(bytes, at, end);
    at += 6;
    if (code >= 0xd800 && code < 0xdc00 && bytes[at] === 0x5c && bytes[at + 1] === 0x75) {
      const low = hexUnit(bytes, at, end);
      if (low < 0xdc00 || low > 0xdfff) throw broken('the second half of a surrogate pair', at);
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      at += 6;
    }
    if (code >= 0xd800 && code <= 0xdfff) throw broken('no lone surrogate', at);
    size += writeUtf8(text, size, code);
  }
  const exact = text.slice(0, size);
  text.fill(0);
  return exact;
}

const escapes: ReadonlyMap<number, number> = new Map(
  [
    ['"', '"'],
    ['\\', '\\'],
    ['/', '/'],
    ['b', '\b'],
    ['f', '\f'],
    ['n', '\n'],
    ['r', '\r'],
    ['t', '\t'],
  ].map(([letter = '', plain = '']) => [letter.charCodeAt(0), plain.charCodeAt(0)]),
);

function hexUnit(bytes: Uint8Array, at: number, end: number): number {
  let unit = 0;
  for (let digit = at + 2; digit < at + 6; digit += 1) {
    const value = digit < end - 1 ? Number.parseInt(String.fromCharCode(bytes[digit] ?? 0), 16) : Number.NaN;
    if (Number.isNaN(value)) throw broken('four hexadecimal digits', at);
    unit = unit * 16 + value;
  }
  return unit;
}

function writeUtf8(into: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    into[at] = code;
    return 1;
  }
  const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  into[at] = ([0, 0xc0, 0xe0, 0xf0][more] ?? 0) | (code >> (6 * more));
  for (let index = 1; index <= more; index += 1) {
    into[at + index] = 0x80 | ((code >> (6 * (more - index))) & 0x3f);
  }
  return more + 1;
}

function broken(expected: string, at: number): Fault {
  return new Fault('unavailable', 'vault.json', `expected ${expected} at byte ${at} of a JSON answer`, {
    hint: "is the address that of a server that answers Vault's API?",
  });
}
