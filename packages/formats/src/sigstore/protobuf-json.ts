import { base64, integer, open, type Shape, shapeFault, text } from '../json/shape.ts';

/*
 * Shapes of protobuf's JSON (protobuf.dev, ProtoJSON). A member that is `null` is absent. Members nobody here knows are
 * passed over: newer writers add some, and nothing in them is believed. Base64 is taken in its canonical form only.
 */

type Optional<T> = { readonly [K in keyof T]-?: Shape<Exclude<T[K], undefined>> };

/** A message: `required` members must be there, `optional` ones may be absent or null. */
export function message<R extends object, O extends object = Record<never, never>>(
  required: { readonly [K in keyof R]: Shape<R[K]> },
  optional: Optional<O> = {} as Optional<O>,
): Shape<R & Partial<O>> {
  // The mapped types of `open` separate required from optional keys; here the two come apart already.
  const read = open(required as never, optional as never) as Shape<R & Partial<O>>;
  return (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw shapeFault(at, 'an object', value);
    return read(Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null)), at);
  };
}

/** A 64-bit integer that is not negative: digits in a string, or a number. */
export const int64: Shape<number> = (value, at) => {
  if (typeof value === 'string') return integer(0)(Number(text(16, /^(?:0|[1-9][0-9]*)$/)(value, at)), at);
  return integer(0)(value, at);
};

/** Bytes that must be there: a field of `bytes` that is empty says nothing. */
export function bytes(maxBytes: number): Shape<Uint8Array> {
  const read = base64(maxBytes);
  return (value, at) => {
    const found = read(value, at);
    if (found.length === 0) throw shapeFault(at, 'at least one byte', value);
    return found;
  };
}

/** A Timestamp, in milliseconds since 1970, what is smaller cut off. */
export const timestamp: Shape<number> = (value, at) => {
  const found = text(40, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/)(value, at);
  const seconds = Date.parse(`${found.slice(0, 19)}Z`);
  if (Number.isNaN(seconds) || new Date(seconds).toISOString().slice(0, 19) !== found.slice(0, 19)) {
    throw shapeFault(at, 'a time that exists', value);
  }
  return seconds + Number(found.slice(20, -1).padEnd(3, '0').slice(0, 3));
};
