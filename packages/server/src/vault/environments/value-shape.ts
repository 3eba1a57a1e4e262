/**
 * The outline of a value, made from its bytes: a run of lower case letters is `a`, of upper case ones `A`, of up to 5
 * digits `0`, of more `9`, anything else ASCII is itself, and other bytes are `?`. It tells a host name from a password
 * without holding either, so rules about it can be written as patterns; runs make them linear.
 */
export interface Outline {
  readonly text: string;
  /** Letters and digits, and how many runs they make. */
  readonly characters: number;
  readonly runs: number;
}

const longestDigits = 5;

export function outlineOf(bytes: Uint8Array, start: number, end: number): Outline {
  let text = '';
  let characters = 0;
  let runs = 0;
  for (let at = start; at < end; ) {
    const kind = kindOf(bytes[at] ?? 0);
    if (kind === '') {
      const code = bytes[at] ?? 0;
      text += code < 0x80 ? String.fromCharCode(code) : '?';
      at += 1;
      continue;
    }
    const from = at;
    while (at < end && kindOf(bytes[at] ?? 0) === kind) at += 1;
    text += kind === '0' && at - from > longestDigits ? '9' : kind;
    characters += at - from;
    runs += 1;
  }
  return { text, characters, runs };
}

function kindOf(code: number): 'a' | 'A' | '0' | '' {
  if (code >= 0x61 && code <= 0x7a) return 'a';
  if (code >= 0x41 && code <= 0x5a) return 'A';
  return code >= 0x30 && code <= 0x39 ? '0' : '';
}

const word = '(?:A?a(?:Aa)*0?|A0?|0)';
const words = `${word}(?:[-_. /:,]${word})*`;
const host = '[a0][a0-]*(?:\\.[a0-]+)*';
const hostAndPort = `(?:${host}\\.a|${host}:0|[a0][a0-]*\\.${host}\\.a:0)`;

const wordLike = new RegExp(`^${words}$`);

/** What anybody would write down openly: places, addresses, times, versions. */
const open: readonly RegExp[] = [
  // Host names, also several, with or without port.
  new RegExp(`^${hostAndPort}(?:, ?${hostAndPort})*$`),
  // IPv4, with port or prefix.
  /^0\.0\.0\.0(?:[:/]0)?$/,
  // URLs without anything that could be a secret: no user, no query, only words in the path.
  new RegExp(`^a(?:\\+a)?://${host}(?::0)?(?:/(?:${word}(?:[-_.]${word})*)?)*$`),
  /^[Aa0._+-]+@[a0-]+(?:\.[a0-]+)+$/,
  // RFC 3339, and the date alone.
  /^0-0-0(?:[A ]0:0(?::0)?(?:\.[09])?(?:A|[+-]0(?::0)?)?)?$/,
  // Files.
  new RegExp(`^[~.]{0,2}(?:/(?:\\.?${word}(?:[-_.]${word})*)?)+$`),
  new RegExp(`^a?0(?:\\.0)+(?:[-+.]${word})*$`),
];

/** Whether the value is of a kind that is no secret whatever its key is called. */
export function isOpenShape(outline: Outline, sizeBytes: number): boolean {
  if (outline.text === '0' || outline.text === '9') return sizeBytes < 12;
  return open.some((pattern) => pattern.test(outline.text));
}

/** Words of a language or of a configuration, such as `orders-service-2` or `app_user`, and not `Xk9mPq`. */
export function isWordLike({ text, characters, runs }: Outline): boolean {
  return characters >= 2 * runs && wordLike.test(text);
}
