import { Fault } from '@sallyport/formats';
import type { Command } from './command.ts';
import { nearest } from './suggest.ts';

/** What a line asks for: a command, the help of some commands, or the version. */
export type Asked =
  | { readonly kind: 'command'; readonly command: Command; readonly words: readonly string[] }
  | { readonly kind: 'help'; readonly commands: readonly Command[] }
  | { readonly kind: 'version' };

/** Common flags may stand before the command too: `sally --json runs`. */
const takesValue = new Set(['--address']);

/** Finds what `argv` asks for. Throws Fault `cli.usage` when no command has that name. */
export function dispatch(commands: readonly Command[], argv: readonly string[]): Asked {
  const { before, rest } = split(argv);
  const wantsHelp = before.some((word) => word === '--help' || word === '-h');
  if (before.includes('--version')) return { kind: 'version' };
  const words = rest[0] === 'help' ? rest.slice(1) : rest;
  const helped = wantsHelp || rest[0] === 'help';
  const command = longest(commands, words);
  if (command !== undefined) {
    const own = words.slice(command.name.length);
    return {
      kind: 'command',
      command,
      words: [...before, ...own, ...(rest[0] === 'help' ? ['--help'] : [])],
    };
  }
  const [first] = words;
  if (first === undefined) {
    if (helped) return { kind: 'help', commands };
    throw usage('expected a command, got nothing');
  }
  const { group, depth } = deepest(commands, words);
  if (depth === 0) throw unknown(first, [...new Set(commands.map(({ name }) => name[0] ?? ''))]);
  const next = words[depth];
  if (helped || next === '--help' || next === '-h') return { kind: 'help', commands: group };
  const verbs = [...new Set(group.flatMap(({ name }) => name[depth] ?? []))];
  const named = words.slice(0, depth).join(' ');
  if (next === undefined || next.startsWith('-')) {
    throw usage(`expected one of ${verbs.map((verb) => `'sally ${named} ${verb}'`).join(', ')}`);
  }
  throw unknown(next, verbs, named);
}

/** The commands that share as many first words as there are, and how many those are. */
function deepest(
  commands: readonly Command[],
  words: readonly string[],
): { readonly group: readonly Command[]; readonly depth: number } {
  let [group, depth] = [commands, 0];
  for (const word of words) {
    const inside = group.filter(({ name }) => name[depth] === word && name.length > depth + 1);
    if (inside.length === 0) break;
    [group, depth] = [inside, depth + 1];
  }
  return { group, depth };
}

function split(argv: readonly string[]): { before: readonly string[]; rest: readonly string[] } {
  let count = 0;
  while (argv[count]?.startsWith('-') && argv[count] !== '--')
    count += takesValue.has(argv[count] ?? '') ? 2 : 1;
  return { before: argv.slice(0, count), rest: argv.slice(count) };
}

/** The command whose words begin `words`; `secret put` before a `secret` of its own. */
function longest(commands: readonly Command[], words: readonly string[]): Command | undefined {
  return commands
    .filter((command) => command.name.every((word, index) => words[index] === word))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

function unknown(word: string, known: readonly string[], group?: string): Fault {
  const full = (last: string): string => [...(group === undefined ? [] : [group]), last].join(' ');
  const meant = nearest(word, known);
  const hint =
    meant === undefined
      ? `sally ${group === undefined ? '' : `${group} `}--help lists the commands`
      : `did you mean 'sally ${full(meant)}'?`;
  return usage(`unknown command '${full(word)}'`, hint);
}

function usage(message: string, hint = 'sally --help lists the commands'): Fault {
  return new Fault('invalid', 'cli.usage', message, { hint });
}
