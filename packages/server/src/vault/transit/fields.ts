import { refused } from './faults.ts';

/** A request's body, or one item of its batch, after JSON was read. */
export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Base64 of 32 MiB: more than any request carries. */
const maxTextLength = 44_739_244;

/** The text, or undefined when it is absent or null. */
export function readText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value.length > maxTextLength) {
    throw refused('field', `expected ${name} as text of at most 32 MiB, got ${kindOf(value)}`);
  }
  return value;
}

/** Whole numbers from 0 to 2^31 - 1, as JSON numbers or as digits: Go's clients send either. */
export function readWhole(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  const number = typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 0x7fff_ffff) {
    throw refused('field', `expected ${name} as a whole number from 0, got ${kindOf(value)}`);
  }
  return number;
}

/** JSON's own, or as Go's clients write them: 1, "t", "true". */
export function readFlag(fields: Fields, name: string): boolean | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (value === true || value === 1 || (typeof value === 'string' && /^(?:1|t|true)$/i.test(value)))
    return true;
  if (value === false || value === 0 || (typeof value === 'string' && /^(?:0|f|false)$/i.test(value)))
    return false;
  throw refused('field', `expected ${name} as true or false, got ${kindOf(value)}`);
}

/** The bytes of a base64 field, which the caller overwrites when they are secret; undefined when it is absent. */
export function readBytes(fields: Fields, name: string): Buffer | undefined {
  const text = readText(fields, name);
  return text === undefined ? undefined : decodeBase64(text, name);
}

/**
 * Canonical base64 with padding (RFC 4648 sections 3.5 and 4); line breaks are ignored, as Go does, because `base64`
 * of coreutils writes them. Anything else is refused: a second spelling of a ciphertext would pass as another one.
 */
export function decodeBase64(text: string, name: string, form: 'base64' | 'base64url' = 'base64'): Buffer {
  const digits = text.includes('\n') ? text.replaceAll(/\r?\n/g, '') : text;
  const bytes = Buffer.from(digits, form);
  if (bytes.toString(form) !== digits) {
    bytes.fill(0);
    throw refused('base64', `expected ${name} as ${form}, got text of ${text.length} characters that is not`);
  }
  return bytes;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'string' ? `text of ${value.length} characters` : `a ${typeof value}`;
}
