/**
 * What reads a value (an object, or JSON bytes) tells what it finds, in order. `bytes` are borrowed for the call.
 * The values in it are secret: an implementation hashes them, and keeps none.
 */
export interface JsonSink {
  beginObject(): void;
  endObject(): void;
  beginArray(): void;
  endArray(): void;
  /** The next value belongs to this key of the innermost object. */
  key(name: string): void;
  text(value: string): void;
  /** A string given by its UTF-8 bytes; `secret` when it must be hashed even under a key that is kept in clear. */
  textBytes(bytes: Uint8Array, start: number, end: number, secret: boolean): void;
  /** A number in the one spelling of `numberText`. */
  number(text: string): void;
  /** The same, as ASCII bytes. */
  numberBytes(bytes: Uint8Array, start: number, end: number): void;
  literal(word: 'true' | 'false' | 'null'): void;
}

/** Thrown by a sink that will not take more; who started the reading catches it. */
export class SinkFull extends Error {
  override readonly name = 'SinkFull';
}
