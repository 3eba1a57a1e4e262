const shortEscapes = new Map([
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

/**
 * Writes what the inside of a JSON string (`source[start..end)`, between the quotes) means, as UTF-8, into `target`,
 * which must be as long (an escape is never shorter than what it means). A lone surrogate becomes U+FFFD, as it does
 * when a string is encoded. The number of bytes written, or undefined when an escape is none of RFC 8259.
 */
export function unescapeInto(
  target: Uint8Array,
  source: Uint8Array,
  start: number,
  end: number,
): number | undefined {
  let size = 0;
  for (let at = start; at < end; at++) {
    const code = source[at] ?? 0;
    if (code !== 0x5c) {
      target[size++] = code;
      continue;
    }
    const letter = source[++at] ?? 0;
    if (letter !== 0x75) {
      const short = shortEscapes.get(letter);
      if (short === undefined || at >= end) return undefined;
      target[size++] = short;
      continue;
    }
    let unit = hexUnit(source, at + 1, end);
    if (unit < 0) return undefined;
    at += 4;
    if (unit >= 0xd800 && unit <= 0xdbff && source[at + 1] === 0x5c && source[at + 2] === 0x75) {
      const low = hexUnit(source, at + 3, end);
      if (low >= 0xdc00 && low <= 0xdfff) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      }
    }
    size = writePoint(target, size, unit >= 0xd800 && unit <= 0xdfff ? 0xfffd : unit);
  }
  return size;
}

/** The four hexadecimal digits at `at`, or -1. */
function hexUnit(source: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) return -1;
  let unit = 0;
  for (let i = at; i < at + 4; i++) {
    const code = source[i] ?? 0;
    let digit: number;
    if (code >= 0x30 && code <= 0x39) digit = code - 0x30;
    else if ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66) digit = (code | 0x20) - 0x57;
    else return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

function writePoint(target: Uint8Array, at: number, point: number): number {
  if (point < 0x80) {
    target[at] = point;
    return at + 1;
  }
  if (point < 0x800) {
    target[at] = 0xc0 | (point >> 6);
    target[at + 1] = 0x80 | (point & 63);
    return at + 2;
  }
  if (point < 0x10000) {
    target[at] = 0xe0 | (point >> 12);
    target[at + 1] = 0x80 | ((point >> 6) & 63);
    target[at + 2] = 0x80 | (point & 63);
    return at + 3;
  }
  target[at] = 0xf0 | (point >> 18);
  target[at + 1] = 0x80 | ((point >> 12) & 63);
  target[at + 2] = 0x80 | ((point >> 6) & 63);
  target[at + 3] = 0x80 | (point & 63);
  return at + 4;
}
