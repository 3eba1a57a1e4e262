import { Fault } from '@sallyport/formats';
import { LineCounter, type Node, parseDocument } from 'yaml';
import { checkMeaning } from './check.ts';
import { Definition } from './model.ts';
import { formatPath, type KeyPath, type Problem } from './problem.ts';
import { readNode } from './read.ts';

const maxCharacters = 262_144;
const maxProblems = 25;

/**
 * Reads `sallyport.yaml`. Gives a definition that has the right shape and the right meaning, or throws one
 * `definition.invalid` that lists every problem with file, line, column, key, what was expected and what came.
 * Strict YAML 1.2 core: one document; no aliases, anchors, tags, directives, merge keys or duplicate keys.
 */
export function parseDefinition(text: string, { file }: { readonly file: string }): Definition {
  if (text.length > maxCharacters) {
    const size = `expected at most ${maxCharacters} characters, got ${text.length}`;
    throw new Fault('invalid', 'definition.invalid', `${file} is too large: ${size}`);
  }
  const lines = new LineCounter();
  const document = compose(text, file, lines);
  const problems: Problem[] = document.errors.map(({ code, message, pos }) => ({
    path: [],
    offset: pos[0],
    expected: code === 'MULTIPLE_DOCS' ? 'one document' : 'YAML 1.2',
    found: firstLine(message),
  }));
  if (problems.length === 0 && (document.directives.yaml.explicit === true || hasDirective(text))) {
    problems.push({ path: [], offset: 0, expected: 'YAML 1.2 without directives', found: 'a % directive' });
  }
  if (problems.length > 0) throw invalid(file, problems, lines);

  const root = document.contents;
  const value = readNode(root, Definition, (problem) => problems.push(problem));
  const misshapen = problems.map(({ path }) => path);
  if (typeof value === 'object' && value !== null) {
    // Parts that do not have the shape of a Definition are kept from the checks by `isSound`.
    const findings = checkMeaning(value as Definition, (path) => isSound(value, path, misshapen));
    for (const finding of findings) problems.push({ ...finding, offset: locate(root, finding.path) });
  }
  if (problems.length > 0) throw invalid(file, problems, lines);
  return value as Definition;
}

function compose(text: string, file: string, lineCounter: LineCounter) {
  try {
    return parseDocument(text, {
      version: '1.2',
      schema: 'core',
      strict: true,
      merge: false,
      // Checked while reading: the parser's own check takes quadratic time.
      uniqueKeys: false,
      prettyErrors: false,
      resolveKnownTags: false,
      lineCounter,
      // 'silent' would also silence the error about a second document.
      logLevel: 'error',
    });
  } catch (cause) {
    // The parser recurses: ten thousand opening brackets exhaust its stack.
    throw new Fault('invalid', 'definition.invalid', `${file} is not YAML that can be read`, { cause });
  }
}

const hasDirective = (text: string): boolean => /^\ufeff?(?:[ \t]*(?:#[^\n]*)?\r?\n)*%/.test(text);

/** True when `path` exists and no problem was reported at it, inside it, or around it. */
function isSound(value: object, path: KeyPath, misshapen: readonly KeyPath[]): boolean {
  let inner: unknown = value;
  for (const part of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, part)) return false;
    inner = (inner as Record<string | number, unknown>)[part];
  }
  return !misshapen.some((bad) => bad.slice(0, path.length).every((part, index) => part === path[index]));
}

function locate(root: Node | null, path: KeyPath): number {
  let offset = root?.range?.[0] ?? 0;
  let node: unknown = root;
  for (const part of path) {
    const next = stepInto(node, part);
    if (next === undefined) break;
    node = next;
    offset = rangeStart(next) ?? offset;
  }
  return offset;
}

function stepInto(node: unknown, part: string | number): unknown {
  if (typeof node !== 'object' || node === null || !('get' in node) || typeof node.get !== 'function')
    return undefined;
  const next: unknown = node.get(part, true);
  return next ?? undefined;
}

function rangeStart(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range))
    return undefined;
  const [start] = node.range as unknown[];
  return typeof start === 'number' ? start : undefined;
}

const firstLine = (message: string): string => (message.split('\n', 1)[0] ?? '').slice(0, 200);

function invalid(file: string, problems: readonly Problem[], lines: LineCounter): Fault {
  const listed = problems
    .toSorted((a, b) => a.offset - b.offset)
    .slice(0, maxProblems)
    .map(({ path, offset, expected, found, hint }) => {
      const { line, col } = lines.linePos(offset);
      const at = `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
      const key = path.length === 0 ? '' : ` ${formatPath(path)}:`;
      return `${at}:${key} expected ${expected}, got ${found}${hint === undefined ? '' : `; ${hint}`}`;
    });
  const more = problems.length - listed.length;
  const head = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  const tail = more > 0 ? [`and ${more} more`] : [];
  return new Fault(
    'invalid',
    'definition.invalid',
    [`${file} has ${head}`, ...listed, ...tail].join('\n  '),
    {
      details: { file, count: problems.length, problems: listed },
      hint: 'the format is described in docs/sallyport.schema.json',
    },
  );
}
