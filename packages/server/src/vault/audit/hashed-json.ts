import { type CanonicalHash, createCanonicalHash } from './canonical-hash.ts';
import { type JsonSink, SinkFull } from './json-sink.ts';
import { boundedText, jsonText } from './json-text.ts';
import { RawJson, walkJson } from './json-walk.ts';
import { flat } from './members.ts';
import type { AuditSalt } from './salt.ts';

export interface HashedData {
  /** A JSON object. */
  readonly json: string;
  /** The data was too much to show: `json` holds one hash of all of it. */
  readonly elided: boolean;
}

export interface DataHasher {
  /**
   * `value` with every string, number and boolean replaced by its hash, except under `clearKeys`; names and null stay.
   * What lies deeper than 32 levels becomes one hash; data of more than 4,096 values or half a megabyte of names
   * becomes `{"elided":"hmac-sha256:…"}`, so that the work of one line is bounded by the size of its input.
   */
  hash(value: unknown, clearKeys: ReadonlySet<string>): HashedData;
  /** The same hash of all, without trying to show anything. */
  elide(value: unknown): HashedData;
}

const maxDepth = 32;
const maxValues = 4096;
const maxChars = 512 * 1024;
/** Longer, and it is hashed anew each time. */
const maxKeptChars = 4096;

export function createDataHasher(salt: AuditSalt): DataHasher {
  // Few enough to be guessed by anybody who reads the log: their hashes hide nothing, and being made once costs nothing.
  const guessable = new Map<string, string>();
  for (const text of ['', 'true', 'false', ...Array.from({ length: 10 }, (_, i) => String(i))]) {
    guessable.set(text, `"${salt.hash(text)}"`);
  }

  function hashText(text: string): string {
    return (text.length <= 5 ? guessable.get(text) : undefined) ?? `"${salt.hash(text)}"`;
  }

  // One for all lines: to make its functions anew would cost as much as a hash.
  const sink = createHashingSink(salt, hashText, guessable);

  function elide(value: unknown): HashedData {
    const canonical = createCanonicalHash(salt.begin());
    walkJson(value, canonical);
    return { json: `{"elided":"${canonical.finish()}"}`, elided: true };
  }

  return {
    hash(value, clearKeys) {
      if (isEmptyObject(value)) return emptyData;
      const before = value instanceof RawJson && clearKeys.size === 0 ? value.audited : undefined;
      if (before?.by === salt && before.json !== undefined) return { json: before.json, elided: false };
      sink.begin(clearKeys);
      try {
        walkJson(value, sink);
        const json = sink.take();
        if (before !== undefined && json.length <= maxKeptChars)
          Object.assign(before, { by: salt, json: flat(json) });
        return { json, elided: false };
      } catch (error) {
        sink.take();
        if (error instanceof SinkFull) return elide(value);
        throw error;
      }
    },
    elide,
  };
}

const emptyData: HashedData = { json: '{}', elided: false };

/** As nearly all requests that only read have it. */
function isEmptyObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) return false;
  return Object.keys(value).length === 0;
}

interface HashingSink extends JsonSink {
  begin(clearKeys: ReadonlySet<string>): void;
  /** What was made since `begin`; nothing of it stays. */
  take(): string;
}

function createHashingSink(
  salt: AuditSalt,
  hashText: (text: string) => string,
  guessable: ReadonlyMap<string, string>,
): HashingSink {
  let clearKeys: ReadonlySet<string> = new Set();
  let out = '';
  let comma = false;
  let values = 0;
  let depth = 0;
  /** Whether the values of the innermost container are shown; a list inherits it, an object sets it with each key. */
  let clear = false;
  let outer: boolean[] = [];
  /** Takes everything of a container below `maxDepth`, whose brackets `deep` counts. */
  let canonical: CanonicalHash | undefined;
  let deep = 0;

  function put(json: string): void {
    if (++values > maxValues || out.length > maxChars) throw new SinkFull();
    out += comma ? `,${json}` : json;
    comma = true;
  }

  function open(bracket: '{' | '['): void {
    if (canonical === undefined && depth < maxDepth) {
      put(bracket);
      comma = false;
      depth++;
      outer.push(clear);
      if (bracket === '{') clear = false;
      return;
    }
    canonical ??= createCanonicalHash(salt.begin());
    deep++;
    if (bracket === '{') canonical.beginObject();
    else canonical.beginArray();
  }

  function close(bracket: '}' | ']'): void {
    if (canonical === undefined) {
      out += bracket;
      comma = true;
      depth--;
      clear = outer.pop() ?? false;
      return;
    }
    if (bracket === '}') canonical.endObject();
    else canonical.endArray();
    if (--deep > 0) return;
    const hash = canonical.finish();
    canonical = undefined;
    put(`"${hash}"`);
  }

  return {
    begin(keys) {
      clearKeys = keys;
      out = '';
      comma = false;
      clear = false;
      values = 0;
      depth = 0;
      outer = [];
      canonical = undefined;
      deep = 0;
    },
    take() {
      const json = out;
      out = '';
      canonical = undefined;
      return json;
    },
    beginObject: () => open('{'),
    endObject: () => close('}'),
    beginArray: () => open('['),
    endArray: () => close(']'),
    key(name) {
      if (canonical !== undefined) return canonical.key(name);
      out += comma ? `,${jsonText(name)}:` : `${jsonText(name)}:`;
      comma = false;
      clear = clearKeys.size > 0 && clearKeys.has(name);
    },
    text(text) {
      if (canonical !== undefined) return canonical.text(text);
      put(clear ? boundedText(text, salt.hash) : hashText(text));
    },
    textBytes(bytes, start, stop, secret) {
      if (canonical !== undefined) return canonical.textBytes(bytes, start, stop, secret);
      if (!clear || secret) {
        return put(start === stop ? hashText('') : `"${salt.hashBytes(bytes, start, stop)}"`);
      }
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString('utf8');
      put(boundedText(text, salt.hash));
    },
    number(text) {
      if (canonical !== undefined) return canonical.number(text);
      // Infinity and NaN are no JSON; who shows them in clear sees their name.
      put(clear ? (/^[-0-9]/.test(text) && text !== '-Infinity' ? text : `"${text}"`) : hashText(text));
    },
    numberBytes(bytes, start, stop) {
      if (canonical !== undefined) return canonical.numberBytes(bytes, start, stop);
      if (clear)
        return put(Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString('latin1'));
      const digit = stop - start === 1 ? (bytes[start] ?? 0) - 0x30 : -1;
      put(guessable.get(String(digit)) ?? `"${salt.hashBytes(bytes, start, stop)}"`);
    },
    literal(word) {
      if (canonical !== undefined) return canonical.literal(word);
      put(word === 'null' || clear ? word : hashText(word));
    },
  };
}
