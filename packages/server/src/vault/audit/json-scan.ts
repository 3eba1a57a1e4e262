import { Fault } from '@sallyport/formats';
import type { JsonSink } from './json-sink.ts';
import { numberText } from './json-text.ts';
import { unescapeInto } from './json-unescape.ts';

const numberGrammar = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
/** More digits than any double has; a longer spelling is legal JSON, but nobody's value. */
const maxNumberChars = 1100;

/**
 * Reads one JSON document (RFC 8259) from bytes and tells `sink`, without recursion and without making a string of a
 * string value or of an integer of up to 15 digits. (A fraction or an exponent has many spellings, and becomes a
 * short-lived string to find the one.) Bytes that are not JSON throw `vault.audit_json`: the request is refused,
 * since what it answers cannot be audited. Duplicate keys are told twice; the door in front refuses them.
 */
export function scanJson(bytes: Buffer, sink: JsonSink): void {
  const objects: boolean[] = [];
  let at = 0;
  /** Of the string that `stringEnd` passed last: whether it has no escape, and whether it is ASCII. */
  let plain = true;
  let ascii = true;

  do {
    skipSpace();
    const opened = value();
    if (opened) continue;
    while (objects.length > 0) {
      skipSpace();
      const code = bytes[at];
      if (code === 0x2c) {
        at++;
        if (objects[objects.length - 1] === true) key();
        break;
      }
      close(code);
    }
  } while (objects.length > 0);
  skipSpace();
  if (at !== bytes.length) throw malformed(at);

  /** Reads a scalar, or enters a container up to its first value; true when a value must follow. */
  function value(): boolean {
    const code = bytes[at] ?? 0;
    switch (code) {
      case 0x22: {
        const start = at + 1;
        stringEnd();
        if (plain) sink.textBytes(bytes, start, at - 1, false);
        else escapedText(start, at - 1);
        return false;
      }
      case 0x7b:
        at++;
        sink.beginObject();
        objects.push(true);
        skipSpace();
        if (bytes[at] === 0x7d) return false;
        key();
        return true;
      case 0x5b:
        at++;
        sink.beginArray();
        objects.push(false);
        skipSpace();
        return bytes[at] !== 0x5d;
      case 0x74:
        return word('true');
      case 0x66:
        return word('false');
      case 0x6e:
        return word('null');
      default:
        number();
        return false;
    }
  }

  function close(code: number | undefined): void {
    const object = objects.pop();
    if (code !== (object === true ? 0x7d : 0x5d)) throw malformed(at);
    at++;
    if (object === true) sink.endObject();
    else sink.endArray();
  }

  function key(): void {
    skipSpace();
    if (bytes[at] !== 0x22) throw malformed(at);
    const start = at + 1;
    stringEnd();
    // Names are not secret. One with escapes is rare: the runtime's reader knows them all.
    let name = bytes.toString(ascii ? 'latin1' : 'utf8', start, at - 1);
    if (!plain) {
      try {
        name = String(JSON.parse(`"${name}"`));
      } catch {
        throw malformed(start);
      }
    }
    sink.key(name);
    skipSpace();
    if (bytes[at] !== 0x3a) throw malformed(at);
    at++;
  }

  /** From the opening quote to behind the closing one. */
  function stringEnd(): void {
    plain = true;
    let seen = 0;
    for (at++; at < bytes.length; at++) {
      const code = bytes[at] ?? 0;
      if (code === 0x22) {
        at++;
        ascii = seen < 0x80;
        return;
      }
      if (code < 0x20) throw malformed(at);
      if (code === 0x5c) {
        plain = false;
        at++;
      }
      seen |= code;
    }
    throw malformed(at);
  }

  function escapedText(start: number, end: number): void {
    const scratch = Buffer.allocUnsafeSlow(end - start);
    try {
      const size = unescapeInto(scratch, bytes, start, end);
      if (size === undefined) throw malformed(start);
      sink.textBytes(scratch, 0, size, false);
    } finally {
      scratch.fill(0);
    }
  }

  function number(): void {
    const start = at;
    if (bytes[at] === 0x2d) at++;
    const first = at;
    let integer = true;
    for (; at < bytes.length; at++) {
      const code = bytes[at] ?? 0;
      if (code >= 0x30 && code <= 0x39) continue;
      if (code !== 0x2e && code !== 0x65 && code !== 0x45 && code !== 0x2b && code !== 0x2d) break;
      integer = false;
    }
    const digits = at - first;
    if (integer && digits >= 1 && digits <= 15 && (bytes[first] !== 0x30 || at - start === 1)) {
      sink.numberBytes(bytes, start, at);
      return;
    }
    const size = at - start;
    if (size > maxNumberChars) throw malformed(start);
    const token = bytes.toString('latin1', start, at);
    if (!numberGrammar.test(token)) throw malformed(start);
    sink.number(numberText(token));
  }

  function word(text: 'true' | 'false' | 'null'): false {
    for (let i = 0; i < text.length; i++) {
      if (bytes[at + i] !== text.charCodeAt(i)) throw malformed(at);
    }
    at += text.length;
    sink.literal(text);
    return false;
  }

  function skipSpace(): void {
    for (;;) {
      const code = bytes[at];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      at++;
    }
  }
}

/** Names the place only: the bytes around it may be a secret. */
function malformed(at: number): Fault {
  return new Fault(
    'internal',
    'vault.audit_json',
    `expected JSON to audit, got something else at byte ${at}`,
  );
}
