import { limits, quoted, syntaxFault } from './syntax.ts';

export interface ReadString {
  readonly value: string;
  /** Offset of the first character behind it. */
  readonly end: number;
}

const simpleEscapes: ReadonlyMap<string, string> = new Map([
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ['"', '"'],
]);
const hexDigits: ReadonlyMap<string, number> = new Map([
  ['x', 2],
  ['u', 4],
  ['U', 8],
]);
const hexPattern = /^[0-9a-fA-F]+$/;
const octalPattern = /^[0-7]{3}$/;

/** Reads the quoted string whose opening quote is at `start`. One pass: each character is looked at once. */
export function readString(text: string, start: number): ReadString {
  let built = '';
  let from = start + 1;
  let at = from;
  for (;;) {
    const letter = text[at];
    if (letter === undefined || letter === '\n') {
      throw syntaxFault(text, start, 'expected a closing quote on the line of the opening one, got none');
    }
    if (letter === '"') break;
    if (letter === '$' && text[at + 1] === '{') {
      // HCL reads what follows raw, also quotes. No policy has a use for it, and other readers see another string.
      throw syntaxFault(
        text,
        at,
        'expected a string without interpolation, got "${"; render the policy first',
      );
    }
    if (letter === '\\') {
      const read = readEscape(text, at);
      built += text.slice(from, at) + read.value;
      from = read.end;
      at = from;
    } else {
      at += 1;
    }
    if (at - start - 1 > limits.stringLength) throw tooLong(text, start);
  }
  const value = built + text.slice(from, at);
  if (!value.isWellFormed())
    throw syntaxFault(text, start, 'expected well-formed text, got a lone surrogate');
  return { value, end: at + 1 };
}

function readEscape(text: string, at: number): ReadString {
  const letter = text[at + 1] ?? '';
  const simple = simpleEscapes.get(letter);
  if (simple !== undefined) return { value: simple, end: at + 2 };
  const digits = hexDigits.get(letter);
  const hex = digits === undefined ? '' : text.slice(at + 2, at + 2 + digits);
  if (digits !== undefined && hex.length === digits && hexPattern.test(hex)) {
    const code = Number.parseInt(hex, 16);
    // `\x` is one byte, and a byte above 0x7f alone is no text.
    if (code <= (letter === 'x' ? 0x7f : 0x10ffff)) {
      return { value: String.fromCodePoint(code), end: at + 2 + digits };
    }
  }
  const octal = text.slice(at + 1, at + 4);
  if (octalPattern.test(octal) && Number.parseInt(octal, 8) <= 0x7f) {
    return { value: String.fromCharCode(Number.parseInt(octal, 8)), end: at + 4 };
  }
  throw syntaxFault(
    text,
    at,
    `expected an escape of HCL such as \\n or \\u00e9, got ${quoted(text.slice(at, at + 4))}`,
  );
}

const anchorPattern = /<<(-?)([A-Za-z0-9_]{1,64})\r?\n/y;

/**
 * Reads the heredoc whose `<<` is at `start`. It ends at the line that holds the anchor and nothing else; with `<<-` the
 * indentation of that line is taken from all lines, if all have it. The line break before the anchor belongs to it.
 */
export function readHeredoc(text: string, start: number): ReadString {
  anchorPattern.lastIndex = start;
  const opening = anchorPattern.exec(text);
  const anchor = opening?.[2];
  if (opening === null || anchor === undefined) {
    throw syntaxFault(text, start, 'expected a heredoc such as <<EOT and a line break');
  }
  const lines: string[] = [];
  let from = start + opening[0].length;
  for (;;) {
    const newline = text.indexOf('\n', from);
    if (newline === -1)
      throw syntaxFault(text, start, `expected a line ${quoted(anchor)} that ends the heredoc, got none`);
    if (newline - start > limits.stringLength) throw tooLong(text, start);
    const line = text.slice(from, text[newline - 1] === '\r' ? newline - 1 : newline);
    from = newline + 1;
    if (line.trimStart() === anchor) {
      const indentation = line.slice(0, line.length - anchor.length);
      const indented = opening[1] === '-' && lines.every((each) => each.startsWith(indentation));
      const value = lines.map((each) => `${indented ? each.slice(indentation.length) : each}\n`).join('');
      return { value, end: from };
    }
    lines.push(line);
  }
}

function tooLong(text: string, at: number) {
  return syntaxFault(
    text,
    at,
    `expected a string of at most ${limits.stringLength} characters, got a longer one`,
  );
}
