/** One typed command with what is expected of it, or something the runner does between two of them. */
export type Act =
  | { readonly kind: 'command'; readonly line: number; readonly text: string; readonly expect: Expectation }
  | { readonly kind: 'file'; readonly line: number; readonly name: string; readonly content: string }
  | { readonly kind: 'commit'; readonly line: number; readonly message: string; readonly signed: boolean };

export interface Expectation {
  stdin: string;
  readonly out: string[];
  readonly err: string[];
  readonly not: string[];
  /** Place and pattern; an empty place asks for one JSON value, whatever it is. */
  readonly json: (readonly [place: string, pattern: string])[];
  readonly save: (readonly [name: string, place: string])[];
  jsonLines: boolean;
  exit: number;
  untilSeconds: number;
}

/** Reads a script; README.md in tests/scripts says how it is written. Throws for every line it does not know. */
export function parseScript(text: string): readonly Act[] {
  const acts: Act[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, word = '', rest = ''] = /^(\$|[a-z-]+:) ?(.*)$/.exec(line) ?? [];
    if (word === '$') {
      acts.push({ kind: 'command', line: at + 1, text: rest, expect: nothingExpected() });
    } else if (word === 'file:') {
      const end = lines.findIndex((each, index) => index > at && !each.startsWith('  '));
      const content = lines.slice(at + 1, end === -1 ? lines.length : end).map((each) => each.slice(2));
      acts.push({ kind: 'file', line: at + 1, name: rest, content: `${content.join('\n')}\n` });
      at += content.length;
    } else if (word === 'commit:' || word === 'commit-unsigned:') {
      acts.push({ kind: 'commit', line: at + 1, message: rest, signed: word === 'commit:' });
    } else {
      const last = acts.at(-1);
      if (last?.kind !== 'command') throw new Error(`line ${at + 1}: expected a command before '${line}'`);
      expectMore(last.expect, word, rest, at + 1);
    }
  }
  return acts;
}

function nothingExpected(): Expectation {
  return {
    stdin: '',
    out: [],
    err: [],
    not: [],
    json: [],
    save: [],
    jsonLines: false,
    exit: 0,
    untilSeconds: 0,
  };
}

function expectMore(expect: Expectation, word: string, rest: string, line: number): void {
  const pair = (): readonly [string, string] => {
    const [, left = '', right = ''] = /^(\S*) ?=? ?(.*)$/.exec(rest) ?? [];
    return [left, right];
  };
  switch (word) {
    case 'stdin:':
      expect.stdin += `${rest}\n`;
      return;
    case 'out:':
    case 'err:':
    case 'not:':
      expect[word === 'out:' ? 'out' : word === 'err:' ? 'err' : 'not'].push(rest);
      return;
    case 'json:':
      expect.json.push(pair());
      return;
    case 'save:':
      expect.save.push(pair());
      return;
    case 'lines:':
      expect.jsonLines = true;
      return;
    case 'exit:':
      expect.exit = Number(rest);
      return;
    case 'until:':
      expect.untilSeconds = Number(rest);
      return;
    default:
      throw new Error(
        `line ${line}: expected a line that tests/scripts/README.md knows, got '${word} ${rest}'`,
      );
  }
}

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is wrong with an answer, in a sentence each. */
export function complaints(
  expect: Expectation,
  answer: Answer,
  values: Readonly<Record<string, string>>,
): readonly string[] {
  const [out, err] = [linesOf(answer.stdout), linesOf(answer.stderr)];
  const known = expect.err.map((pattern) => matcher(pattern, values));
  return [
    ...(answer.code === expect.exit ? [] : [`expected exit code ${expect.exit}, got ${answer.code}`]),
    ...inOrder('out', expect.out, out, values),
    ...inOrder('err', expect.err, err, values),
    ...expect.not
      .filter((pattern) => [...out, ...err].some((line) => matcher(pattern, values)(line)))
      .map((pattern) => `expected nothing like '${pattern}'`),
    ...err
      .filter((line) => !line.startsWith('sally: ') && !known.some((matches) => matches(line)))
      .map((line) => `expected standard error to speak as 'sally: ', got '${line}'`),
    ...(expect.json.length > 0 || expect.save.length > 0
      ? jsonComplaints(expect, answer.stdout, values)
      : []),
    ...(expect.jsonLines
      ? out.flatMap((line) => (parse(line) === undefined ? [`no JSON: ${line}`] : []))
      : []),
  ];
}

function jsonComplaints(
  expect: Expectation,
  stdout: string,
  values: Readonly<Record<string, string>>,
): readonly string[] {
  const value = parse(stdout);
  if (value === undefined) return ['expected one JSON value on standard output'];
  return expect.json.flatMap(([place, pattern]) => {
    if (place === '') return [];
    const found = textOf(at(value, place));
    return matcher(pattern, values)(found) ? [] : [`expected ${place} to be '${pattern}', got '${found}'`];
  });
}

/** The values that a command is to keep. Throws when one is not there. */
export function saved(expect: Expectation, stdout: string): Readonly<Record<string, string>> {
  const value = expect.save.length === 0 ? undefined : parse(stdout);
  return Object.fromEntries(
    expect.save.map(([name, place]) => {
      const found = at(value, place);
      if (found === undefined) throw new Error(`nothing at ${place} to save as ${name}`);
      return [name, textOf(found)];
    }),
  );
}

function inOrder(
  what: string,
  patterns: readonly string[],
  lines: readonly string[],
  values: Readonly<Record<string, string>>,
): readonly string[] {
  let from = 0;
  const missing: string[] = [];
  for (const pattern of patterns) {
    const found = lines.findIndex((line, index) => index >= from && matcher(pattern, values)(line));
    if (found === -1) missing.push(`expected ${what}: '${pattern}'`);
    else from = found + 1;
  }
  return missing;
}

function matcher(pattern: string, values: Readonly<Record<string, string>>): (line: string) => boolean {
  const filled = pattern.replace(/\$([A-Z][A-Z_]*)/g, (all, name: string) => values[name] ?? all);
  const source = tidy(filled)
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  const expression = new RegExp(`^${source}$`);
  return (line) => expression.test(tidy(line));
}

const tidy = (line: string): string => line.trim().replace(/\s+/g, ' ');

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line.trim() !== '');

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `steps.0.name`; `.` alone is the value itself, `length` the number of its parts. */
function at(value: unknown, place: string): unknown {
  if (place === '.') return value;
  return place.split('.').reduce<unknown>((found, key) => {
    if (Array.isArray(found) && key === 'length') return found.length;
    if (typeof found !== 'object' || found === null) return undefined;
    return Object.entries(found).find(([name]) => name === key)?.[1];
  }, value);
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
