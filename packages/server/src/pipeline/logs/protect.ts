import { type SecretBytes, toBase64, toHex, utf8 } from '@sallyport/formats';

/**
 * The second net under the agent's masking: finds granted values in bytes that are about to be stored. A value is
 * covered by stars of the same length, so that offsets stay what the agent counts and no state is needed between
 * requests: what was cut in two by a request is found when its second half arrives.
 *
 * KNOWN LIMIT: values are known to the server that granted them, until its restart; after that only the agent masks.
 */
export interface Protector {
  /** The longest thing that is looked for: so many bytes at the end may be the begin of one. */
  readonly reach: number;
  /** Covers what is found in `bytes`, in place; true when something was. */
  cover(bytes: Uint8Array): boolean;
  /** How many bytes at the end of `bytes` may be the begin of a value: not to be shown until more is known. */
  openEnd(bytes: Uint8Array): number;
}

const minBytes = 4;

export function createProtector(values: readonly SecretBytes[]): Protector {
  const needles = values.flatMap(variants).toSorted((a, b) => b.length - a.length);
  return {
    reach: needles[0]?.length ?? 0,
    openEnd(bytes) {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      let longest = 0;
      for (const needle of needles) {
        for (let size = Math.min(needle.length - 1, buffer.length); size > longest; size -= 1) {
          if (buffer.compare(needle, 0, size, buffer.length - size) === 0) longest = size;
        }
      }
      return longest;
    },
    cover(bytes) {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      let found = false;
      for (const needle of needles) {
        for (let at = buffer.indexOf(needle); at >= 0; at = buffer.indexOf(needle, at + needle.length)) {
          buffer.fill('*', at, at + needle.length);
          found = true;
        }
      }
      return found;
    },
  };
}

/** The value as it may be printed: plain, each line of it, base64, hexadecimal, in a URL, in JSON. */
function variants(secret: SecretBytes): Uint8Array[] {
  const bytes = secret.expose();
  const text = Buffer.from(bytes).toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(Buffer.from(bytes));
  const base64 = toBase64(bytes);
  const texts = [
    base64,
    base64.replace(/=+$/, ''),
    Buffer.from(bytes).toString('base64url'),
    toHex(bytes),
    toHex(bytes).toUpperCase(),
    ...(isText ? [encodeURIComponent(text), JSON.stringify(text).slice(1, -1), ...text.split(/\r?\n/)] : []),
  ];
  const all = [Buffer.from(bytes), ...texts.map((each) => Buffer.from(utf8(each)))];
  const distinct = new Map(all.map((each) => [each.toString('latin1'), each]));
  return [...distinct.values()].filter((each) => each.length >= minBytes);
}
