import { isUtf8 } from 'node:buffer';
import { SecretBytes } from '@sallyport/formats';
import { badFile } from './found.ts';

const maxBytes = 1024 * 1024;
const maxVariables = 5_000;

const lineEnd = 0x0a;
const backslash = 0x5c;
const single = 0x27;
const double = 0x22;

const escapes: ReadonlyMap<number, number> = new Map([
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [double, double],
  [backslash, backslash],
  [0x24, 0x24],
]);

/**
 * Variables of a dotenv file, by bytes. `NAME=value`, with `export` before it or not; text in single quotes is as it
 * stands, in double quotes `\n`, `\r`, `\t`, `\"`, `\\` and `\$` are read, and both may span lines; without quotes a value
 * ends before ` #` or the end of its line. Nothing is expanded: `$NAME` stays `$NAME`. Programs differ about everything
 * else, so anything else is refused, and so is a name that comes twice. Throws Fault `cli.import`.
 */
export function parseDotenv(bytes: Uint8Array): ReadonlyMap<string, SecretBytes> {
  if (bytes.length > maxBytes) throw badFile(`expected at most ${maxBytes} bytes of dotenv, got more`);
  if (!isUtf8(bytes) || bytes.includes(0)) throw badFile('expected a dotenv file in UTF-8 without NUL');
  const found = new Map<string, SecretBytes>();
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  let line = 1;

  const wrong = (expected: string): never => {
    for (const value of found.values()) value.wipe();
    throw badFile(`expected ${expected} in line ${line} of the dotenv file`);
  };
  const blank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0d;
  const skipBlank = (): void => {
    while (blank(bytes[at])) at += 1;
  };
  const word = (): string => {
    const start = at;
    while (/[A-Za-z0-9_.-]/.test(String.fromCharCode(bytes[at] ?? 0))) at += 1;
    return Buffer.from(bytes.subarray(start, at)).toString('latin1');
  };

  /** Up to the closing quote, which may be lines away. */
  function quoted(quote: number): Uint8Array {
    at += 1;
    const start = at;
    const text = new Uint8Array(bytes.length - start);
    let size = 0;
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined) return wrong('a closing quote');
      if (byte === quote) break;
      if (byte === lineEnd) line += 1;
      const plain = byte === backslash && quote === double ? escapes.get(bytes[at + 1] ?? 0) : byte;
      if (plain === undefined) return wrong('one of the escapes \\n \\r \\t \\" \\\\ \\$');
      text[size++] = plain;
      at += plain === byte && byte !== backslash ? 1 : quote === double && byte === backslash ? 2 : 1;
    }
    at += 1;
    const exact = text.slice(0, size);
    text.fill(0);
    return exact;
  }

  function plain(): Uint8Array {
    const start = at;
    while (bytes[at] !== undefined && bytes[at] !== lineEnd) {
      if (bytes[at] === 0x23 && (at === start || blank(bytes[at - 1]))) break;
      if (bytes[at] === single || bytes[at] === double || bytes[at] === 0x60)
        return wrong('quotes around all of a value');
      at += 1;
    }
    let end = at;
    while (end > start && blank(bytes[end - 1])) end -= 1;
    return bytes.slice(start, end);
  }

  function rest(): void {
    skipBlank();
    if (bytes[at] === 0x23) while (bytes[at] !== undefined && bytes[at] !== lineEnd) at += 1;
    if (bytes[at] !== undefined && bytes[at] !== lineEnd) wrong('the end of the line');
    at += 1;
    line += 1;
  }

  while (at < bytes.length) {
    skipBlank();
    if (bytes[at] === lineEnd || bytes[at] === 0x23 || bytes[at] === undefined) {
      rest();
      continue;
    }
    let name = word();
    if (name === 'export' && blank(bytes[at])) {
      skipBlank();
      name = word();
    }
    if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,200}$/.test(name)) wrong('a name such as DATABASE_URL');
    skipBlank();
    if (bytes[at] !== 0x3d) wrong(`'=' behind ${name}`);
    at += 1;
    skipBlank();
    const quote = bytes[at];
    const value = quote === single || quote === double ? quoted(quote) : plain();
    const secret = SecretBytes.from(value);
    value.fill(0);
    if (found.has(name)) wrong(`${name} once`);
    found.set(name, secret);
    if (found.size > maxVariables) wrong(`at most ${maxVariables} variables`);
    rest();
  }
  return found;
}
