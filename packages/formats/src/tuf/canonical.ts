import { utf8 } from '../bytes/bytes.ts';
import { Fault } from '../fault.ts';

const maxDepth = 16;

/**
 * The bytes a TUF signature is over: OLPC canonical JSON, as TUF 1.0.31 section 4.2.1 names it. It is not RFC 8785:
 * of a text only `"` and `\` are escaped, so a line break stands as itself, and there are no fractions.
 */
export function olpcJson(value: unknown): Uint8Array {
  return utf8(write(value, 0));
}

function write(value: unknown, depth: number): string {
  if (depth > maxDepth) throw refused(`a value nested deeper than ${maxDepth}`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') {
    // JavaScript tells -0 from 0, and other readers of this form do not.
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw refused(`the number ${value}`);
    return String(value);
  }
  if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, depth + 1)).join(',')}]`;
  if (typeof value !== 'object') throw refused(`a value of type ${typeof value}`);
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => {
      // Readers sort by code point or by code unit; for ASCII both are one order.
      if (!/^[\x20-\x7e]*$/.test(key)) throw refused(`the key ${JSON.stringify(key)}`);
      return `${quoted(key)}:${write(member, depth + 1)}`;
    });
  return `{${members.join(',')}}`;
}

function quoted(text: string): string {
  if (!text.isWellFormed()) throw refused('a lone surrogate');
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function refused(got: string): Fault {
  return new Fault(
    'invalid',
    'formats.tuf_json',
    `expected data that canonical JSON of TUF can hold, got ${got}`,
  );
}
