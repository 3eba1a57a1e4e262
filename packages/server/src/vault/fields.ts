import { Fault } from '@sallyport/formats';
import { parseDuration } from './duration.ts';

/** A JSON object as a client sent it: strictly parsed, so no duplicate keys and no prototype. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads the fields of a request as Vault's clients write them: numbers and booleans may come as text, lists as text
 * with commas, maps as JSON text or "key=value". What cannot be read is a 400 that names the field.
 */
export interface Fields {
  readonly raw: JsonObject;
  has(name: string): boolean;
  /** Absent and null give `undefined`. */
  find(name: string): unknown;
  text(name: string, absent?: string): string;
  /** As `text`, and absent or empty is refused. */
  required(name: string): string;
  findText(name: string): string | undefined;
  integer(name: string, absent: number): number;
  findInteger(name: string): number | undefined;
  boolean(name: string, absent: boolean): boolean;
  findBoolean(name: string): boolean | undefined;
  /** A TTL in whole seconds. */
  seconds(name: string, absent: number): number;
  findSeconds(name: string): number | undefined;
  /** Texts, trimmed, without empty ones and doubles, in order. */
  list(name: string): readonly string[];
  findList(name: string): readonly string[] | undefined;
  map(name: string): Readonly<Record<string, string>>;
  findMap(name: string): Readonly<Record<string, string>> | undefined;
  object(name: string): JsonObject | undefined;
}

export const maxTextLength = 65_536;
const maxListItems = 4096;

export function createFields(raw: JsonObject): Fields {
  return new BodyFields(raw);
}

/** A class, because each request makes one: its verbs are made once. */
class BodyFields implements Fields {
  readonly raw: JsonObject;

  constructor(raw: JsonObject) {
    this.raw = raw;
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  find(name: string): unknown {
    const value = Object.hasOwn(this.raw, name) ? this.raw[name] : undefined;
    return value === null ? undefined : value;
  }

  text(name: string, absent = ''): string {
    return this.findText(name) ?? absent;
  }

  required(name: string): string {
    const value = this.findText(name);
    if (value === undefined || value === '')
      throw new Fault('invalid', 'vault.missing_field', `missing ${name}`);
    return value;
  }

  integer(name: string, absent: number): number {
    return this.findInteger(name) ?? absent;
  }

  boolean(name: string, absent: boolean): boolean {
    return this.findBoolean(name) ?? absent;
  }

  seconds(name: string, absent: number): number {
    return this.findSeconds(name) ?? absent;
  }

  list(name: string): readonly string[] {
    return this.findList(name) ?? [];
  }

  map(name: string): Readonly<Record<string, string>> {
    return this.findMap(name) ?? {};
  }

  object(name: string): JsonObject | undefined {
    const value = this.find(name);
    if (value === undefined) return undefined;
    if (isObject(value)) return value;
    throw bad(name, 'an object', kindOf(value));
  }

  findText(name: string): string | undefined {
    const value = this.find(name);
    if (value === undefined) return undefined;
    if (typeof value === 'string') {
      if (value.length > maxTextLength)
        throw bad(name, `at most ${maxTextLength} characters`, `${value.length}`);
      return value;
    }
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    throw bad(name, 'a text', kindOf(value));
  }

  findInteger(name: string): number | undefined {
    const value = this.find(name);
    if (value === undefined || value === '') return undefined;
    const number = typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isSafeInteger(number)) return number;
    throw bad(name, 'a whole number', describe(value));
  }

  findBoolean(name: string): boolean | undefined {
    const value = this.find(name);
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'boolean') return value;
    if (value === 1 || (typeof value === 'string' && /^(1|t|true)$/i.test(value))) return true;
    if (value === 0 || (typeof value === 'string' && /^(0|f|false)$/i.test(value))) return false;
    throw bad(name, 'true or false', describe(value));
  }

  findList(name: string): readonly string[] | undefined {
    const value = this.find(name);
    if (value === undefined) return undefined;
    const items = Array.isArray(value) ? value : typeof value === 'string' ? splitList(value) : undefined;
    if (items === undefined) throw bad(name, 'a list of texts', kindOf(value));
    if (items.length > maxListItems) throw bad(name, `at most ${maxListItems} items`, `${items.length}`);
    const texts = new Set<string>();
    for (const item of items) {
      if (typeof item !== 'string' && typeof item !== 'number')
        throw bad(name, 'a list of texts', kindOf(item));
      const text = String(item).trim();
      if (text !== '') texts.add(text);
    }
    return [...texts];
  }

  findMap(name: string): Readonly<Record<string, string>> | undefined {
    const value = this.find(name);
    if (value === undefined) return undefined;
    const entries = mapEntries(value);
    if (entries === undefined) throw bad(name, 'a map of texts', kindOf(value));
    if (entries.length > maxListItems)
      throw bad(name, `at most ${maxListItems} entries`, `${entries.length}`);
    const map: Record<string, string> = Object.create(null);
    for (const [key, each] of entries) {
      if (typeof each !== 'string' && typeof each !== 'number' && typeof each !== 'boolean')
        throw bad(name, 'a map of texts', kindOf(each));
      map[key] = String(each);
    }
    return map;
  }

  findSeconds(name: string): number | undefined {
    const value = this.find(name);
    return value === undefined ? undefined : parseDuration(value, name);
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function splitList(value: string): unknown[] {
  const trimmed = value.trim();
  return trimmed === '' ? [] : trimmed.split(',');
}

function mapEntries(value: unknown): ReadonlyArray<readonly [string, unknown]> | undefined {
  if (isObject(value)) return Object.entries(value);
  if (typeof value === 'string') {
    // The command line sends `meta=key=value`.
    return splitList(value).map((item) => {
      const text = String(item);
      const at = text.indexOf('=');
      return at < 0 ? ([text, ''] as const) : ([text.slice(0, at), text.slice(at + 1)] as const);
    });
  }
  if (Array.isArray(value) && value.every((item) => typeof item === 'string'))
    return mapEntries(value.join(','));
  return undefined;
}

function bad(name: string, expected: string, got: string): Fault {
  return new Fault(
    'invalid',
    'vault.field',
    `error converting input for field "${name}": expected ${expected}, got ${got}`,
  );
}

/** The kind of a value, and never the value: a field may hold a secret. */
function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'a list' : value === null ? 'null' : typeof value;
}

function describe(value: unknown): string {
  return typeof value === 'string' ? 'another text' : kindOf(value);
}
