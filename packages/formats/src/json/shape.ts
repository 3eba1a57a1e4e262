import { type Digest, parseDigest } from '../bytes/digest.ts';
import { fromBase64 } from '../bytes/encodings.ts';
import { Fault } from '../fault.ts';

/** Reads a parsed JSON value as T or throws a Fault that names the place (`at`), what was expected and what came. */
export type Shape<T> = (value: unknown, at: string) => T;

export function shapeFault(at: string, expected: string, got: unknown): Fault {
  const shown = got === undefined ? 'nothing' : (JSON.stringify(got) ?? typeof got).slice(0, 80);
  return new Fault('invalid', 'formats.shape', `expected ${expected} at ${at}, got ${shown}`, {
    details: { at },
  });
}

export function text(maxLength: number, pattern?: RegExp): Shape<string> {
  return (value, at) => {
    if (
      typeof value !== 'string' ||
      value.length > maxLength ||
      (pattern !== undefined && !pattern.test(value))
    ) {
      const form = pattern === undefined ? '' : ` matching ${pattern.source}`;
      throw shapeFault(at, `text of at most ${maxLength} characters${form}`, value);
    }
    return value;
  };
}

export function integer(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < minimum || value > maximum) {
      throw shapeFault(at, `an integer from ${minimum} to ${maximum}`, value);
    }
    return value;
  };
}

export const boolean: Shape<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw shapeFault(at, 'true or false', value);
  return value;
};

export function oneOf<const T extends string | number>(...choices: readonly T[]): Shape<T> {
  return (value, at) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw shapeFault(at, choices.map((c) => JSON.stringify(c)).join(' or '), value);
    return choice;
  };
}

export function list<T>(item: Shape<T>, maxItems: number, minItems = 0): Shape<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value) || value.length > maxItems || value.length < minItems) {
      throw shapeFault(
        at,
        `a list of ${minItems} to ${maxItems} items`,
        Array.isArray(value) ? value.length : value,
      );
    }
    return value.map((element: unknown, i) => item(element, `${at}[${i}]`));
  };
}

export function record<T>(item: Shape<T>, maxEntries: number): Shape<Readonly<Record<string, T>>> {
  return (value, at) => {
    const object = plainObject(value, at);
    const keys = Object.keys(object);
    if (keys.length > maxEntries) throw shapeFault(at, `at most ${maxEntries} keys`, keys.length);
    return Object.fromEntries(keys.map((key) => [key, item(object[key], `${at}.${key}`)]));
  };
}

/** The keys of T that may be absent. */
type OptionalKeys<T> = { [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? K : never }[keyof T];
type Required<T> = { readonly [K in Exclude<keyof T, OptionalKeys<T>>]: Shape<T[K]> };
type Optional<T> = { readonly [K in OptionalKeys<T>]-?: Shape<Exclude<T[K], undefined>> };

/** An object with exactly these keys: an unknown key in a signed document is a claim nobody checks. */
export function closed<T extends object>(required: Required<T>, optional: Optional<T>): Shape<T> {
  const known = new Set([...Object.keys(required), ...Object.keys(optional)]);
  const read = open<T>(required, optional);
  return (value, at) => {
    for (const key of Object.keys(plainObject(value, at))) {
      if (!known.has(key)) throw shapeFault(at, `only the keys ${[...known].join(', ')}`, key);
    }
    return read(value, at);
  };
}

/** An object with these keys; others are passed over and not returned, where a standard says readers must do so. */
export function open<T extends object>(required: Required<T>, optional: Optional<T>): Shape<T> {
  const mandatory = Object.entries<Shape<unknown>>(required);
  const voluntary = Object.entries<Shape<unknown>>(optional);
  return (value, at) => {
    const object = plainObject(value, at);
    const result: Record<string, unknown> = {};
    for (const [key, shape] of mandatory) {
      if (!Object.hasOwn(object, key)) throw shapeFault(`${at}.${key}`, 'a value', undefined);
      result[key] = shape(object[key], `${at}.${key}`);
    }
    for (const [key, shape] of voluntary) {
      if (Object.hasOwn(object, key)) result[key] = shape(object[key], `${at}.${key}`);
    }
    // Every key of T was read by its own shape just above.
    return result as T;
  };
}

/** Any JSON object, kept as it is. */
export function plainObject(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw shapeFault(at, 'an object', value);
  // An object that is no array, read by string keys only.
  return value as Readonly<Record<string, unknown>>;
}

export const digest: Shape<Digest> = (value, at) => {
  const found = text(80)(value, at);
  try {
    return parseDigest(found);
  } catch {
    throw shapeFault(at, 'a sha256 digest', value);
  }
};

export function base64(maxBytes: number, exactBytes?: number): Shape<Uint8Array> {
  return (value, at) => {
    const encoded = text(Math.ceil(maxBytes / 3) * 4)(value, at);
    let bytes: Uint8Array;
    try {
      bytes = fromBase64(encoded);
    } catch {
      throw shapeFault(at, 'canonical base64', value);
    }
    if (exactBytes !== undefined && bytes.length !== exactBytes) {
      throw shapeFault(at, `${exactBytes} bytes`, `${bytes.length} bytes`);
    }
    return bytes;
  };
}

/** A non-negative integer in decimal digits, as protobuf's JSON writes 64-bit numbers. */
export const decimal: Shape<number> = (value, at) => {
  const digits = text(16, /^(?:0|[1-9][0-9]*)$/)(value, at);
  return integer(0)(Number(digits), at);
};

/** RFC 3339 in UTC, and a day that exists. */
export const instant: Shape<string> = (value, at) => {
  const found = text(30, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/)(value, at);
  const parsed = new Date(`${found.slice(0, 19)}Z`);
  // Date rolls February 30 over into March; the round trip finds that.
  if (Number.isNaN(parsed.getTime()) || parsed.toISOString().slice(0, 19) !== found.slice(0, 19)) {
    throw shapeFault(at, 'an RFC 3339 time in UTC', value);
  }
  return found;
};

export const uri: Shape<string> = text(2000, /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/);
