import { type Command, commonFlags, type Flag } from '../../packages/cli/src/command.ts';
import { argumentWord } from '../../packages/cli/src/help.ts';

/** docs/cli.md, made from the table of commands that the program itself reads its input with. */
export function cliDoc(commands: readonly Command[]): string {
  return [head(), ...commands.map(section)].join('\n');
}

function section(command: Command): string {
  const title = `sally ${command.name.join(' ')}`;
  const args = command.args ?? [];
  const flags = Object.entries(command.flags ?? {});
  const usage = [title, ...args.map(argumentWord), ...(flags.length === 0 ? [] : ['[flags]'])].join(' ');
  const rows = [...args.map((each) => [`\`${each.name}\``, each.doc] as const), ...flags.map(flagRow)];
  return [
    `## ${title}`,
    '',
    `${sentence(command.summary)}`,
    '',
    '```sh',
    `${usage}`,
    '```',
    '',
    ...(rows.length === 0 ? [] : [...table(['argument or flag', 'what it is'], rows), '']),
    'For example:',
    '',
    '```sh',
    ...command.examples,
    '```',
    '',
  ].join('\n');
}

function flagRow([name, flag]: readonly [string, Flag]): readonly [string, string] {
  const value = flag.type === 'string' ? ` ${flag.value ?? 'VALUE'}` : '';
  const short = flag.short === undefined ? '' : `, \`-${flag.short}\``;
  return [`\`--${name}${value}\`${short}`, `${flag.doc}${flag.many ? '; may be repeated' : ''}`];
}

function table(
  columns: readonly [string, string],
  rows: ReadonlyArray<readonly [string, string]>,
): readonly string[] {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  return [
    `| ${columns.join(' | ')} |`,
    '| --- | --- |',
    ...rows.map(([left, right]) => `| ${cell(left)} | ${cell(right)} |`),
  ];
}

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;

function head(): string {
  return [
    '# sally, the command line',
    '',
    'Made from `packages/cli/src/commands/all.ts` by `node tools/documents.mjs`; do not edit.',
    '',
    'Standard output is data, standard error is talk. Every command knows:',
    '',
    ...table(['flag', 'what it is'], Object.entries(commonFlags).map(flagRow)),
    '',
    'Exit codes: 0 ok, 1 failed, 2 usage, 3 denied, 4 not found, 5 refused by policy, 6 integrity. Secret values come from',
    'standard input, a file or a prompt, never from the command line.',
    '',
    'In this repository the program is `npx sally`.',
    '',
  ].join('\n');
}
