import { readFile, stat } from 'node:fs/promises';
import { Fault, isFault } from '@sallyport/formats';
import {
  type Document,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { type OptionType, optionTypes } from './option-types.ts';
import { fileKey, type OptionName, optionList } from './options.ts';

/** A value as the file has it, with its line for messages. */
export interface FileValue {
  readonly text: string;
  readonly line: number;
}

const maxBytes = 64 * 1024;

export async function readConfigFile(file: string): Promise<ReadonlyMap<OptionName, FileValue>> {
  const { text, open } = await readText(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', uniqueKeys: true });
  const lineOf = (offset: number | undefined): number => lines.linePos(offset ?? 0).line;
  const [problem] = document.errors;
  if (problem !== undefined) {
    throw invalid(
      file,
      lineOf(problem.pos[0]),
      undefined,
      'YAML',
      problem.code.toLowerCase().replaceAll('_', ' '),
      problem,
    );
  }
  const values = new Map<OptionName, FileValue>();
  if (document.contents === null) return values;
  if (!isMap(document.contents))
    throw invalid(file, 1, undefined, "a map of options such as 'listen_port: 7270'", 'something else');
  for (const { key, value } of document.contents.items) {
    const name = isScalar(key) ? String(key.value) : '';
    const line = lineOf(isScalar(key) ? key.range?.[0] : undefined);
    const found = optionList.find(([option]) => fileKey(option) === name);
    if (found === undefined) throw unknownKey(file, line, name);
    const [option, { secret, type }] = found;
    if (secret === true && open) {
      throw new Fault(
        'invalid',
        'config.open_secret',
        `${file}:${line}: '${name}' is secret, expected a file only its owner can read`,
        {
          hint: `chmod 600 ${file}`,
          details: { file, key: name },
        },
      );
    }
    const kind: OptionType<unknown> = optionTypes[type];
    if (kind.structured === true && isCollection(value)) {
      values.set(option, { text: jsonOf(document, value, file, line, name), line });
      continue;
    }
    if (!isScalar(value) || !['string', 'number', 'boolean'].includes(typeof value.value)) {
      throw invalid(file, line, name, 'one value', 'a list, a map or nothing');
    }
    // As written: 0x10 or 1_000 must not become a number by YAML's rules and then pass by ours.
    const written = typeof value.value === 'string' ? value.value : (value.source ?? String(value.value));
    values.set(option, { text: written, line });
  }
  return values;
}

/** A list or map as JSON. An alias could make it as large as it likes, and nobody needs one here. */
function jsonOf(document: Document, value: YAMLMap | YAMLSeq, file: string, line: number, name: string) {
  try {
    return JSON.stringify(value.toJS(document, { maxAliasCount: 0 }));
  } catch (cause) {
    throw invalid(file, line, name, 'a list or a map without aliases', 'another', cause);
  }
}

async function readText(file: string): Promise<{ text: string; open: boolean }> {
  try {
    const facts = await stat(file);
    if (!facts.isFile() || facts.size > maxBytes) {
      throw new Fault('invalid', 'config.file', `${file}: expected a file of at most ${maxBytes} bytes`, {
        details: { file },
      });
    }
    return { text: await readFile(file, 'utf8'), open: (facts.mode & 0o077) !== 0 };
  } catch (error) {
    if (isFault(error)) throw error;
    throw new Fault('invalid', 'config.file', `${file}: expected a file that can be read`, {
      hint: 'check the path given with --config or SALLYPORT_CONFIG',
      details: { file },
      cause: error,
    });
  }
}

function unknownKey(file: string, line: number, name: string): Fault {
  const known = optionList.map(([option]) => fileKey(option));
  const near = known.find((key) => key.startsWith(name.slice(0, 4)) || key.includes(name));
  return new Fault(
    'invalid',
    'config.unknown_key',
    `${file}:${line}: expected a known option, got '${name.slice(0, 100)}'`,
    {
      hint: near === undefined ? `known are ${known.join(', ')}` : `did you mean '${near}'?`,
      details: { file, line, key: name.slice(0, 100) },
    },
  );
}

function invalid(
  file: string,
  line: number,
  key: string | undefined,
  expected: string,
  got: string,
  cause?: unknown,
): Fault {
  const where = `${file}:${line}:${key === undefined ? '' : ` '${key}'`}`;
  return new Fault('invalid', 'config.value', `${where} expected ${expected}, got ${got}`, {
    details: { file, line, key: key ?? null, expected },
    ...(cause === undefined ? {} : { cause }),
  });
}
