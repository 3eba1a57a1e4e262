import { Fault, fromUtf8, SecretBytes } from '@sallyport/formats';
import { type JsonPlace, placesOf, unescaped } from './json-bytes.ts';
import type { WireAnswer } from './wire.ts';

/** What Vault's API answered, as places in its bytes. Its owner wipes it. */
export interface Answer {
  readonly status: number;
  /** The place at that path of names, or undefined; `null` counts as absent. */
  find(...names: readonly string[]): JsonPlace | undefined;
  /** A text for code: an id, a type, a path. Undefined when it is none. */
  text(...names: readonly string[]): string | undefined;
  number(...names: readonly string[]): number | undefined;
  flag(...names: readonly string[]): boolean;
  /** The bytes of a value: of a text what it says, of anything else its JSON. */
  secret(place: JsonPlace): SecretBytes;
  /** The JSON of a value. */
  raw(place: JsonPlace): SecretBytes;
  /** A part that holds no secret, as a plain value. */
  plain(...names: readonly string[]): unknown;
  wipe(): void;
}

/** An empty body is an object without members. Throws Fault `vault.json`. */
export function readAnswer({ status, body }: WireAnswer): Answer {
  const bytes: Uint8Array = body.length === 0 ? Buffer.from('{}') : body;
  const root = placesOf(bytes);

  const find = (...names: readonly string[]): JsonPlace | undefined => {
    let place: JsonPlace | undefined = root;
    for (const name of names) place = place?.members.get(name);
    return place === undefined || isNull(place) ? undefined : place;
  };
  const isNull = ({ kind, start }: JsonPlace): boolean => kind === 'other' && bytes[start] === 0x6e;
  const slice = ({ start, end }: JsonPlace): Uint8Array => bytes.subarray(start, end);
  const plain = (...names: readonly string[]): unknown => {
    const place = find(...names);
    return place === undefined ? undefined : JSON.parse(fromUtf8(slice(place)));
  };

  return {
    status,
    find,
    plain,
    text: (...names) => {
      const place = find(...names);
      return place?.kind === 'string' ? fromUtf8(unescaped(bytes, place)) : undefined;
    },
    number: (...names) => {
      const place = find(...names);
      const value = place?.kind === 'other' ? plain(...names) : undefined;
      return typeof value === 'number' ? value : undefined;
    },
    flag: (...names) => {
      const place = find(...names);
      return place?.kind === 'other' && bytes[place.start] === 0x74;
    },
    secret: (place) => {
      if (place.kind !== 'string') return SecretBytes.from(slice(place));
      const text = unescaped(bytes, place);
      const secret = SecretBytes.from(text);
      text.fill(0);
      return secret;
    },
    raw: (place) => SecretBytes.from(slice(place)),
    wipe: () => void bytes.fill(0),
  };
}

/** The answer lacks what it must have: it is not from a server that answers Vault's API, or not to this question. */
export function unexpected(what: string, path: string): Fault {
  return new Fault('unavailable', 'vault.unexpected_answer', `expected ${what} in the answer of ${path}`, {
    hint: "is the address that of a server that answers Vault's API?",
  });
}
