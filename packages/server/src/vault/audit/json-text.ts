const unsafe = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;
const unsafeUnits = /[^\x20\x21\x23-\x5b\x5d-\x7e]/g;

/** A clear text longer than this keeps its beginning and the hash of the whole. */
const maxClearChars = 4096;

/**
 * A JSON string of printable ASCII only (RFC 8259 section 7). Everything else becomes `\uXXXX`: paths, names and
 * object keys come from clients, and a raw U+2028, C1 control or bidirectional override in a line would let one
 * record look like two, or like another, to whoever reads the log.
 */
export function jsonText(text: string): string {
  return unsafe.test(text) ? `"${text.replace(unsafeUnits, escapeUnit)}"` : `"${text}"`;
}

/** `jsonText`, but bounded: what is too long stays identifiable by `hash` of the whole. */
export function boundedText(text: string, hash: (text: string) => string): string {
  if (text.length <= maxClearChars) return jsonText(text);
  return jsonText(`${text.slice(0, maxClearChars)}...${hash(text)}`);
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const integer = /^-?[1-9][0-9]*$|^0$/;

/**
 * One spelling per number, so that a value read from JSON text and the same value read from an object hash alike: an
 * integer is its digits, however many; anything else what ECMAScript's Number prints. `1.0` is `1`, `-0` is `0`,
 * `1e400` is `Infinity`.
 */
export function numberText(token: string): string {
  return integer.test(token) ? token : String(Number(token));
}
