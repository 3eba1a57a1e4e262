import { utf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';

export interface StrictJsonLimits {
  /** Upper bound of the text in UTF-8; 4 MiB when absent. */
  readonly maxBytes?: number;
  /** Upper bound of nesting; 64 when absent. */
  readonly maxDepth?: number;
}

export const maxJsonDepth = 64;
const defaultMaxBytes = 4 * 1024 * 1024;

/**
 * Reads JSON (RFC 8259) as a verifier must: refuses duplicate keys (two readers would see two documents), nesting and
 * size beyond the limits, lone surrogates, numbers that are no finite double, a byte order mark and trailing data.
 */
export function parseStrictJson(text: string, limits: StrictJsonLimits = {}): unknown {
  const maxBytes = limits.maxBytes ?? defaultMaxBytes;
  // Counting in UTF-16 first keeps a huge text from being encoded only to be refused.
  if (
    text.length > maxBytes ||
    (text.length * 3 > maxBytes && text.isWellFormed() && utf8(text).length > maxBytes)
  ) {
    throw new Fault(
      'invalid',
      'formats.json_too_large',
      `expected at most ${maxBytes} bytes of JSON, got more`,
    );
  }
  const reader = new Reader(text, limits.maxDepth ?? maxJsonDepth);
  return reader.document();
}

const numberPattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** A recursive-descent reader; recursion is bounded by `maxDepth`. */
class Reader {
  readonly #text: string;
  readonly #maxDepth: number;
  #at = 0;

  constructor(text: string, maxDepth: number) {
    this.#text = text;
    this.#maxDepth = maxDepth;
  }

  document(): unknown {
    this.#space();
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) throw this.#fault('json_trailing', 'the end of the text');
    return value;
  }

  #value(depth: number): unknown {
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth + 1);
      case '[':
        return this.#array(depth + 1);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): Record<string, unknown> {
    this.#enter(depth);
    const object: Record<string, unknown> = {};
    if (this.#closes('}')) return object;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#fault('json_syntax', 'a key in double quotes');
      const start = this.#at;
      const key = this.#string();
      if (Object.hasOwn(object, key)) {
        this.#at = start;
        throw this.#fault(
          'json_duplicate_key',
          `each key once, not ${JSON.stringify(key.slice(0, 80))} again`,
        );
      }
      this.#space();
      this.#take(':');
      this.#space();
      // Defined, not assigned: the key "__proto__" must become data and never the prototype.
      Object.defineProperty(object, key, {
        value: this.#value(depth),
        writable: true,
        enumerable: true,
        configurable: true,
      });
      this.#space();
      if (this.#text[this.#at] === '}') {
        this.#at++;
        return object;
      }
      this.#take(',');
    }
  }

  #array(depth: number): unknown[] {
    this.#enter(depth);
    const array: unknown[] = [];
    if (this.#closes(']')) return array;
    for (;;) {
      this.#space();
      array.push(this.#value(depth));
      this.#space();
      if (this.#text[this.#at] === ']') {
        this.#at++;
        return array;
      }
      this.#take(',');
    }
  }

  #string(): string {
    const start = ++this.#at;
    let built = '';
    let from = start;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code)) throw this.#fault('json_syntax', 'a closing double quote');
      if (code === 0x22) break;
      if (code < 0x20) throw this.#fault('json_syntax', 'control characters written as escapes');
      if (code === 0x5c) {
        built += this.#text.slice(from, this.#at) + this.#escape();
        from = this.#at;
      } else {
        this.#at++;
      }
    }
    const value = built + this.#text.slice(from, this.#at);
    if (!value.isWellFormed())
      throw this.#fault('json_surrogate', 'well-formed text without a lone surrogate');
    this.#at++;
    return value;
  }

  /** Reads one escape at the backslash and leaves the position behind it. */
  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? '';
    if (letter === 'u') {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(hex))
        throw this.#fault('json_syntax', 'four hexadecimal digits after \\u');
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const escaped = Object.hasOwn(escapes, letter) ? escapes[letter] : undefined;
    if (escaped === undefined) throw this.#fault('json_syntax', 'one of the escapes of RFC 8259');
    this.#at += 2;
    return escaped;
  }

  #number(): number {
    numberPattern.lastIndex = this.#at;
    const match = numberPattern.exec(this.#text);
    if (match === null) throw this.#fault('json_syntax', 'a value');
    const value = Number(match[0]);
    if (!Number.isFinite(value)) throw this.#fault('json_number', 'a number that fits a double');
    this.#at += match[0].length;
    return value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault('json_syntax', 'a value');
    this.#at += word.length;
    return value;
  }

  #enter(depth: number): void {
    if (depth > this.#maxDepth) throw this.#fault('json_too_deep', `at most ${this.#maxDepth} levels`);
    this.#at++;
  }

  #closes(bracket: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== bracket) return false;
    this.#at++;
    return true;
  }

  #take(mark: string): void {
    if (this.#text[this.#at] !== mark) throw this.#fault('json_syntax', `"${mark}"`);
    this.#at++;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #fault(reason: string, expected: string): Fault {
    const before = this.#text.slice(0, this.#at);
    const line = before.split('\n').length;
    const column = this.#at - before.lastIndexOf('\n');
    const got =
      this.#at >= this.#text.length ? 'the end' : JSON.stringify(this.#text.slice(this.#at, this.#at + 20));
    return new Fault(
      'invalid',
      `formats.${reason}`,
      `expected ${expected} at line ${line}, column ${column} of the JSON text, got ${got}`,
      { details: { line, column } },
    );
  }
}
