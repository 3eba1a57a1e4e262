import { Fault } from '../fault.ts';
import { maxJsonDepth, parseStrictJson, type StrictJsonLimits } from './strict.ts';

/**
 * The one JSON text of `value` by RFC 8785 (JCS): keys sorted by UTF-16 code units, numbers as ECMAScript writes
 * them, no white space. Only plain JSON data is taken: `undefined`, NaN, class instances, `toJSON` objects and lone
 * surrogates are refused, because dropping or converting them would sign something the caller did not say.
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

/** Reads `text` that must already be in canonical form: one document, one spelling, so no byte is free to change. */
export function parseCanonicalJson(text: string, limits: StrictJsonLimits = {}): unknown {
  const value = parseStrictJson(text, limits);
  if (canonicalJson(value) !== text) {
    throw new Fault(
      'invalid',
      'formats.json_not_canonical',
      'expected canonical JSON (RFC 8785), got another spelling of the same value',
    );
  }
  return value;
}

function write(value: unknown, depth: number): string {
  if (depth > maxJsonDepth) throw refused(`a value nested deeper than ${maxJsonDepth}`);
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value)) throw refused(String(value));
      return JSON.stringify(value);
    case 'string':
      return quoted(value);
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) {
        // Array.from visits holes as well, where map would skip them and write nothing.
        return `[${Array.from(value, (item) => write(item, depth + 1)).join(',')}]`;
      }
      return writeObject(value, depth);
    default:
      throw refused(`a value of type ${typeof value}`);
  }
}

function writeObject(value: object, depth: number): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    throw refused(`an instance of ${String(value.constructor?.name)}`);
  }
  // Own enumerable string keys of a plain object; reading them by name is what JSON means.
  const record = value as Readonly<Record<string, unknown>>;
  const members = Object.keys(record)
    .sort()
    .map((key) => {
      const member = record[key];
      if (member === undefined) throw refused(`undefined for the key ${JSON.stringify(key)}`);
      return `${quoted(key)}:${write(member, depth + 1)}`;
    });
  return `{${members.join(',')}}`;
}

function quoted(text: string): string {
  if (!text.isWellFormed()) throw refused('a lone surrogate');
  // ECMAScript's string serialization is the one RFC 8785 section 3.2.2.2 demands, given well-formed text.
  return JSON.stringify(text);
}

function refused(got: string): Fault {
  return new Fault('invalid', 'formats.json_value', `expected plain JSON data, got ${got}`);
}
