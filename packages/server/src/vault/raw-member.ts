/**
 * The bytes of one member of a JSON object, as they stand in the document. Secrets keep the bytes their owner wrote:
 * a number of 20 digits is still that number, and no text of it is made. `document` is JSON that the strict parser
 * accepted, so this only has to find the way.
 */
export function rawMember(document: Buffer, name: string): Buffer | undefined {
  let found: Buffer | undefined;
  eachMember(document, (key, value) => {
    if (key === name) found = value;
    return found === undefined;
  });
  return found;
}

/** All members of a JSON object, as `rawMember` gives one. */
export function rawMembers(
  document: Buffer,
): ReadonlyArray<{ readonly name: string; readonly value: Buffer }> {
  const members: { name: string; value: Buffer }[] = [];
  eachMember(document, (name, value) => {
    members.push({ name, value });
    return true;
  });
  return members;
}

function eachMember(document: Buffer, goOn: (name: string, value: Buffer) => boolean): void {
  let at = skipSpace(document, 0);
  if (document[at] !== openBrace) return;
  at = skipSpace(document, at + 1);
  while (document[at] === quote) {
    const keyEnd = endOfString(document, at);
    const key = String(JSON.parse(document.toString('utf8', at, keyEnd)));
    const start = skipSpace(document, skipSpace(document, keyEnd) + 1);
    const end = endOfValue(document, start);
    if (!goOn(key, document.subarray(start, end))) return;
    at = skipSpace(document, end);
    if (document[at] !== comma) return;
    at = skipSpace(document, at + 1);
  }
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at += 1;
  return at;
}

function endOfString(bytes: Buffer, from: number): number {
  let at = from + 1;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at + 1;
}

function endOfValue(bytes: Buffer, from: number): number {
  if (bytes[from] === quote) return endOfString(bytes, from);
  let depth = 0;
  for (let at = from; at < bytes.length; at += 1) {
    const code = bytes[at];
    if (code === quote) at = endOfString(bytes, at) - 1;
    else if (code === openBrace || code === openBracket) depth += 1;
    else if (depth > 0 && (code === closeBrace || code === closeBracket)) {
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (
      depth === 0 &&
      (code === comma || code === closeBrace || code === closeBracket || isSpace(code))
    )
      return at;
  }
  return bytes.length;
}

function isSpace(code: number | undefined): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
