import { parseArgs } from 'node:util';
import { Fault } from '@sallyport/formats';
import type { Printer } from './printer.ts';
import type { Settings } from './settings.ts';

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly many?: boolean;
  /** What the value is called in the help text: `FILE`, `SECONDS`. */
  readonly value?: string;
  readonly doc: string;
}

export interface Argument {
  readonly name: string;
  readonly optional?: boolean;
  readonly many?: boolean;
  readonly doc: string;
}

/** What a command's function is given: its input, already read, and the ways to speak. */
export interface Invocation {
  readonly args: readonly string[];
  /** The argument at `index`; its presence was checked against the command's declaration. */
  arg(index: number): string;
  flag(name: string): string | undefined;
  flags(name: string): readonly string[];
  on(name: string): boolean;
  /** Everything after `--`. */
  readonly rest: readonly string[];
  readonly out: Printer;
  readonly settings: Settings;
}

export interface Command {
  /** The words that name it: `['secret', 'put']`. */
  readonly name: readonly string[];
  readonly summary: string;
  readonly args?: readonly Argument[];
  readonly flags?: Readonly<Record<string, Flag>>;
  /** Lines a user could type as they stand. */
  readonly examples: readonly string[];
  /** The exit code, when it is not 0. */
  run(invocation: Invocation): Promise<number | undefined>;
}

export const commonFlags: Readonly<Record<string, Flag>> = {
  json: { type: 'boolean', doc: 'print data as JSON on standard output' },
  address: { type: 'string', value: 'URL', doc: 'server to talk to (also SALLYPORT_ADDR)' },
  help: { type: 'boolean', short: 'h', doc: 'show this help' },
};

/** Finds the command whose words begin `argv`, the longest name first. */
export function findCommand(commands: readonly Command[], argv: readonly string[]): Command | undefined {
  return commands
    .filter((command) => command.name.every((word, index) => argv[index] === word))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

export interface ParsedInput {
  readonly args: readonly string[];
  readonly rest: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
}

/** Reads the words after the command's name. Throws Fault `cli.usage` for anything the command did not declare. */
export function readInput(command: Command, argv: readonly string[]): ParsedInput {
  const flags = { ...commonFlags, ...command.flags };
  const end = argv.indexOf('--');
  const own = end === -1 ? argv : argv.slice(0, end);
  const rest = end === -1 ? [] : argv.slice(end + 1);
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      args: own.slice(command.name.length),
      allowPositionals: true,
      strict: true,
      options: Object.fromEntries(
        Object.entries(flags).map(([name, flag]) => [
          name,
          {
            type: flag.type,
            multiple: flag.many === true,
            ...(flag.short === undefined ? {} : { short: flag.short }),
          },
        ]),
      ),
    });
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split('.')[0] ?? '') : '';
    throw usage(command, lowerFirst(message), cause);
  }
  const declared = command.args ?? [];
  const required = declared.filter((argument) => argument.optional !== true).length;
  const most = declared.some((argument) => argument.many) ? 1000 : declared.length;
  const given = parsed.positionals;
  if (parsed.values['help'] !== true && given.length < required) {
    throw usage(command, `expected ${declared[given.length]?.name ?? 'an argument'}, got nothing`);
  }
  if (given.length > most) throw usage(command, `unexpected argument '${given[most] ?? ''}'`);
  return { args: given, rest, values: parsed.values };
}

function usage(command: Command, message: string, cause?: unknown): Fault {
  return new Fault('invalid', 'cli.usage', message, {
    hint: `sally ${command.name.join(' ')} --help shows what it takes`,
    ...(cause === undefined ? {} : { cause }),
  });
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
