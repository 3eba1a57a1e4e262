import { type Argument, type Command, commonFlags, type Flag } from './command.ts';

/** The help of one command: usage, arguments, flags, examples. */
export function commandHelp(command: Command): string {
  const words = (command.args ?? []).map(argumentWord);
  const lines = [
    `usage: sally ${[...command.name, ...words].join(' ')} [flags]`,
    '',
    command.summary,
    ...(command.more === undefined ? [] : ['', ...command.more]),
    ...section(
      'arguments',
      (command.args ?? []).map((argument) => [argument.name, argument.doc]),
    ),
    ...section('flags', Object.entries({ ...command.flags, ...commonFlags }).map(flagRow)),
    '',
    'examples:',
    ...command.examples.map((example) => `  ${example}`),
    '',
  ];
  return lines.join('\n');
}

/** The overview: every command in a line. */
export function overview(commands: readonly Command[]): string {
  const rows = folded(commands);
  return [
    'usage: sally COMMAND [flags]',
    '',
    'Sallyport: one guarded path from commit to production.',
    ...section('commands', rows),
    '',
    'start here:',
    '  sally up                  a server and an agent on this machine',
    '  sally COMMAND --help      what a command takes, with examples',
    '',
    'exit codes: 0 ok, 1 failed, 2 usage, 3 denied, 4 not found, 5 refused by policy, 6 integrity',
    '',
  ].join('\n');
}

/** Verbs of a group within a group share a line: `vault token` with create, lookup, renew, revoke. */
function folded(commands: readonly Command[]): ReadonlyArray<readonly [string, string]> {
  const rows = new Map<string, string>();
  for (const { name, summary } of commands) {
    const left = name.slice(0, 2).join(' ');
    const verb = name[2];
    const before = rows.get(left);
    rows.set(left, verb === undefined ? summary : before === undefined ? verb : `${before}, ${verb}`);
  }
  // A group that is asked for alone is shown verb by verb.
  const alone = rows.size === 1 && commands.length > 1;
  return alone ? commands.map(({ name, summary }) => [name.join(' '), summary] as const) : [...rows];
}

/** `PATH`, `[PATH]`, `KEY…`: as the usage line has it. */
export function argumentWord({ name, optional, many }: Argument): string {
  const word = many ? `${name}...` : name;
  return optional ? `[${word}]` : word;
}

function flagRow([name, flag]: [string, Flag]): [string, string] {
  const short = flag.short === undefined ? '' : `, -${flag.short}`;
  const value = flag.type === 'string' ? ` ${flag.value ?? 'VALUE'}` : '';
  return [`--${name}${short}${value}`, flag.doc];
}

function section(title: string, rows: ReadonlyArray<readonly [string, string]>): string[] {
  if (rows.length === 0) return [];
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return ['', `${title}:`, ...rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`)];
}
