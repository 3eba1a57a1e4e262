import { readFileSync } from 'node:fs';
import { Fault, SecretBytes } from '@sallyport/formats';
import { type JsonPlace, type NewSecret, placesOf } from '@sallyport/sdk';
import { readSecret } from '../../input.ts';

const maxBytes = 1024 * 1024;

/**
 * Reads `KEY=@FILE`, `KEY=-` (standard input) and `KEY` (asked for), or one `@FILE` or `-` with a JSON object. A value on
 * the command line is refused: every user of the machine can read it there, and the shell keeps it.
 */
export async function readValues(words: readonly string[]): Promise<NewSecret> {
  const [only] = words;
  if (words.length === 1 && only !== undefined && (only === '-' || only.startsWith('@'))) {
    return { json: await jsonObject(only) };
  }
  const specs = words.map(specOf);
  if (specs.filter(({ from }) => from === '-').length > 1) {
    throw usage(
      'expected one value from standard input, got several',
      'put the others into files: key=@file',
    );
  }
  const values: [string, SecretBytes][] = [];
  for (const { key, from } of specs) {
    const value = from.startsWith('@') ? fileContent(from.slice(1)) : await readSecret(`value of ${key}`);
    values.push([key, value]);
  }
  const names = new Set(values.map(([key]) => key));
  if (names.size !== values.length) throw usage('expected each key once', 'one of them was typed twice');
  return Object.fromEntries(values);
}

/** What was read, to be wiped when it was sent. */
export function wipeValues(data: NewSecret): void {
  if (data['json'] instanceof Uint8Array) data['json'].fill(0);
  else for (const value of Object.values(data)) if (value instanceof SecretBytes) value.wipe();
}

function specOf(word: string): { readonly key: string; readonly from: string } {
  const at = word.indexOf('=');
  const key = at === -1 ? word : word.slice(0, at);
  const from = at === -1 ? '-' : word.slice(at + 1);
  if (key === '' || key.startsWith('@')) {
    throw usage(`expected KEY=@FILE, KEY=- or KEY, got '${word.slice(0, 80)}'`);
  }
  if (from === '-' || (from.startsWith('@') && from.length > 1)) return { key, from };
  // The value is not repeated: it may be the secret.
  throw usage(
    `expected the value of ${key} from a file or standard input, got it on the command line`,
    `every user of this machine can see it there; use ${key}=@FILE, ${key}=-, or ${key} alone to be asked`,
  );
}

/** A file's bytes, without the line end that editors leave behind a single line. Throws Fault `cli.no_file`. */
export function fileContent(file: string): SecretBytes {
  const bytes = readFile(file);
  const one = bytes.at(-1) === 0x0a && bytes.indexOf(0x0a) === bytes.length - 1;
  const secret = SecretBytes.from(one ? bytes.subarray(0, -1) : bytes);
  bytes.fill(0);
  return secret;
}

export function readFile(file: string, most = maxBytes): Buffer {
  try {
    const bytes = readFileSync(file === '-' ? 0 : file);
    if (bytes.length <= most) return bytes;
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no reason given';
    throw new Fault('not_found', 'cli.no_file', `expected to read the file ${file}, could not: ${reason}`, {
      cause,
    });
  }
  throw new Fault('invalid', 'cli.file_too_large', `expected at most ${most} bytes in ${file}, got more`);
}

/** The JSON of an object from `@FILE` or `-`. */
export async function jsonObject(from: string): Promise<Uint8Array> {
  const bytes = readFile(from === '-' ? '-' : from.slice(1));
  let place: JsonPlace;
  try {
    place = placesOf(bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : '';
    throw new Fault(
      'invalid',
      'cli.json',
      `expected a JSON object in ${from}: ${why.replace(/ of a JSON answer$/, '')}`,
      {
        cause,
      },
    );
  }
  if (place.kind === 'object') return bytes;
  throw new Fault('invalid', 'cli.json', `expected a JSON object in ${from}, got something else`);
}

function usage(message: string, hint?: string): Fault {
  return new Fault('invalid', 'cli.usage', message, hint === undefined ? {} : { hint });
}
