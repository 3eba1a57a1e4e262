import { Fault } from '@sallyport/formats';
import type { JsonSink } from './json-sink.ts';
import { numberText } from './json-text.ts';
import { unescapeInto } from './json-unescape.ts';

const numberGrammar = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/**
 * Reads one JSON document (RFC 8259) from bytes and tells `sink`, without recursion and without making a string of a
 * string value or of an integer. (A fraction or an exponent has many spellings, and becomes a
 * short-lived string to find the one.) Bytes that are not JSON throw `vault.audit_json`: the request is refused,
 * since what it answers cannot be audited. Duplicate keys are told twice; the door in front refuses them.
 */
export function scanJson(bytes: Buffer, sink: JsonSink): void {
  new Scanner(bytes, sink).document();
}

class Scanner {
  readonly #bytes: Buffer;
  readonly #sink: JsonSink;
  /** For each open container whether it is an object. */
  readonly #objects: boolean[] = [];
  #at = 0;
  /** Of the string that was passed last: whether it has no escape, and whether it is ASCII. */
  #plain = true;
  #ascii = true;

  constructor(bytes: Buffer, sink: JsonSink) {
    this.#bytes = bytes;
    this.#sink = sink;
  }

  document(): void {
    const objects = this.#objects;
    do {
      this.#space();
      if (this.#value()) continue;
      while (objects.length > 0) {
        this.#space();
        if (this.#bytes[this.#at] === 0x2c) {
          this.#at++;
          if (objects[objects.length - 1] === true) this.#key();
          break;
        }
        this.#close();
      }
    } while (objects.length > 0);
    this.#space();
    if (this.#at !== this.#bytes.length) throw malformed(this.#at);
  }

  /** Reads a scalar, or enters a container up to its first value; true when a value must follow. */
  #value(): boolean {
    switch (this.#bytes[this.#at]) {
      case 0x22: {
        const start = this.#at + 1;
        this.#string();
        if (this.#plain) this.#sink.textBytes(this.#bytes, start, this.#at - 1, false);
        else this.#escapedText(start, this.#at - 1);
        return false;
      }
      case 0x7b:
        this.#at++;
        this.#sink.beginObject();
        this.#objects.push(true);
        this.#space();
        if (this.#bytes[this.#at] === 0x7d) return false;
        this.#key();
        return true;
      case 0x5b:
        this.#at++;
        this.#sink.beginArray();
        this.#objects.push(false);
        this.#space();
        return this.#bytes[this.#at] !== 0x5d;
      case 0x74:
        return this.#word('true');
      case 0x66:
        return this.#word('false');
      case 0x6e:
        return this.#word('null');
      default:
        this.#number();
        return false;
    }
  }

  #close(): void {
    const object = this.#objects.pop() === true;
    if (this.#bytes[this.#at] !== (object ? 0x7d : 0x5d)) throw malformed(this.#at);
    this.#at++;
    if (object) this.#sink.endObject();
    else this.#sink.endArray();
  }

  #key(): void {
    this.#space();
    if (this.#bytes[this.#at] !== 0x22) throw malformed(this.#at);
    const start = this.#at + 1;
    this.#string();
    // Names are not secret. One with escapes is rare: the runtime's reader knows them all.
    let name = this.#bytes.toString(this.#ascii ? 'latin1' : 'utf8', start, this.#at - 1);
    if (!this.#plain) {
      try {
        name = String(JSON.parse(`"${name}"`));
      } catch {
        throw malformed(start);
      }
    }
    this.#sink.key(name);
    this.#space();
    if (this.#bytes[this.#at] !== 0x3a) throw malformed(this.#at);
    this.#at++;
  }

  /** From the opening quote to behind the closing one. */
  #string(): void {
    const bytes = this.#bytes;
    this.#plain = true;
    let seen = 0;
    let at = this.#at + 1;
    for (; at < bytes.length; at++) {
      const code = bytes[at] ?? 0;
      if (code === 0x22) {
        this.#at = at + 1;
        this.#ascii = seen < 0x80;
        return;
      }
      if (code < 0x20) throw malformed(at);
      if (code === 0x5c) {
        this.#plain = false;
        at++;
      }
      seen |= code;
    }
    throw malformed(at);
  }

  #escapedText(start: number, end: number): void {
    const scratch = Buffer.allocUnsafeSlow(end - start);
    try {
      const size = unescapeInto(scratch, this.#bytes, start, end);
      if (size === undefined) throw malformed(start);
      this.#sink.textBytes(scratch, 0, size, false);
    } finally {
      scratch.fill(0);
    }
  }

  #number(): void {
    const bytes = this.#bytes;
    const start = this.#at;
    const first = bytes[start] === 0x2d ? start + 1 : start;
    let at = first;
    let integer = true;
    for (; at < bytes.length; at++) {
      const code = bytes[at] ?? 0;
      if (code >= 0x30 && code <= 0x39) continue;
      if (code !== 0x2e && code !== 0x65 && code !== 0x45 && code !== 0x2b && code !== 0x2d) break;
      integer = false;
    }
    this.#at = at;
    const digits = at - first;
    if (integer && digits >= 1 && (bytes[first] !== 0x30 || at - start === 1)) {
      this.#sink.numberBytes(bytes, start, at);
      return;
    }
    const token = bytes.toString('latin1', start, at);
    if (!numberGrammar.test(token)) throw malformed(start);
    this.#sink.number(numberText(token));
  }

  #word(text: 'true' | 'false' | 'null'): false {
    for (let i = 0; i < text.length; i++) {
      if (this.#bytes[this.#at + i] !== text.charCodeAt(i)) throw malformed(this.#at);
    }
    this.#at += text.length;
    this.#sink.literal(text);
    return false;
  }

  #space(): void {
    for (;;) {
      const code = this.#bytes[this.#at];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
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
