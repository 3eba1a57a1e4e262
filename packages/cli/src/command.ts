import { parseArgs } from 'node:util';
import { Fault } from '@sallyport/formats';
import type { Printer } from './printer.ts';
import type { Settings } from './settings.ts';
import { nearest } from './suggest.ts';

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
  /** As many as are given; only the last one may be. */
  readonly many?: boolean;
  /** Words it may be, beside names that only the server knows. */
  readonly values?: readonly string[];
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
  /** A whole number within bounds, or undefined when the flag was not given. Throws Fault `cli.usage`. */
  count(name: string, least: number, most: number): number | undefined;
  /** What to do on Ctrl-C, before the command line ends. */
  whenInterrupted(action: () => void | Promise<void>): void;
  readonly out: Printer;
  readonly settings: Settings;
}

export interface Command {
  /** The words that name it: `['secret', 'put']`. */
  readonly name: readonly string[];
  readonly summary: string;
  /** More than fits a line: what to do with the result, what it needs. */
  readonly more?: readonly string[];
  readonly args?: readonly Argument[];
  readonly flags?: Readonly<Record<string, Flag>>;
  /** Lines a user could type as they stand. */
  readonly examples: readonly string[];
  /** It stops what it started by itself when it is interrupted. */
  readonly handlesSignals?: boolean;
  /** The exit code, when it is not 0. */
  run(invocation: Invocation): Promise<number | undefined>;
}

export const commonFlags: Readonly<Record<string, Flag>> = {
  json: { type: 'boolean', doc: 'print data as JSON on standard output' },
  address: { type: 'string', value: 'URL', doc: 'server to talk to (also SALLYPORT_ADDR)' },
  help: { type: 'boolean', short: 'h', doc: 'show this help' },
};

export interface ParsedInput {
  readonly args: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
}

/** Reads the words after the command's name. Throws Fault `cli.usage` for anything the command did not declare. */
export function readInput(command: Command, words: readonly string[]): ParsedInput {
  const flags = { ...commonFlags, ...command.flags };
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      args: [...words],
      allowPositionals: true,
      strict: true,
      options: Object.fromEntries(
        Object.entries(flags).map(([name, { type, short, many }]) => [
          name,
          { type, multiple: many === true, ...(short === undefined ? {} : { short }) },
        ]),
      ),
    });
  } catch (cause) {
    throw refusal(command, Object.keys(flags), cause);
  }
  const declared = command.args ?? [];
  const required = declared.filter((argument) => argument.optional !== true).length;
  const given = parsed.positionals;
  if (parsed.values['help'] !== true && given.length < required) {
    throw usage(command, `expected ${declared[given.length]?.name ?? 'an argument'}, got nothing`);
  }
  if (given.length > declared.length && declared.at(-1)?.many !== true) {
    throw usage(command, `unexpected argument '${given[declared.length] ?? ''}'`);
  }
  return { args: given, values: parsed.values };
}

/** Node's own words say what is wrong; its advice is for other programs, ours names the flag that was meant. */
function refusal(command: Command, flags: readonly string[], cause: unknown): Fault {
  const message = cause instanceof Error ? (cause.message.split(/[.\n] ?/)[0] ?? '') : '';
  const [, unknown] = /^Unknown option '--?([^']+)'/.exec(message) ?? [];
  const meant = unknown === undefined ? undefined : nearest(unknown, flags);
  const text = message.slice(0, 1).toLowerCase() + message.slice(1);
  return usage(command, text, meant === undefined ? undefined : `did you mean --${meant}?`, cause);
}

function usage(command: Command, message: string, hint?: string, cause?: unknown): Fault {
  return new Fault('invalid', 'cli.usage', message, {
    hint: hint ?? `sally ${command.name.join(' ')} --help shows what it takes`,
    ...(cause === undefined ? {} : { cause }),
  });
}
