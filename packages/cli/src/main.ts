#!/usr/bin/env node
import { Fault, isFault } from '@sallyport/formats';
import { exitCodeOf } from '@sallyport/sdk';
import { findCommand, type Invocation, type ParsedInput, readInput } from './command.ts';
import { commands } from './commands/all.ts';
import { commandHelp, overview } from './help.ts';
import { createPrinter, type Printer } from './printer.ts';
import { loadSettings, type Settings } from './settings.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const out = createPrinter({ out: process.stdout, err: process.stderr }, argv.includes('--json'));
  const command = findCommand(commands, argv);
  if (command === undefined) return noCommand(argv, out);
  try {
    const input = readInput(command, argv);
    if (input.values['help'] === true) {
      process.stdout.write(commandHelp(command));
      return 0;
    }
    const address = input.values['address'];
    const settings = loadSettings(process.env, typeof address === 'string' ? address : undefined);
    return (await command.run(invocation(input, out, settings))) ?? 0;
  } catch (error) {
    out.error(error);
    if (!isFault(error) && process.env['SALLYPORT_DEBUG'] !== undefined) console.error(error);
    return exitCodeOf(error);
  }
}

function noCommand(argv: readonly string[], out: Printer): number {
  const words = argv.filter((word) => !word.startsWith('-'));
  const known = commands.filter((command) => command.name[0] === words[0]);
  if (words.length === 0 || known.length > 0) {
    process.stdout.write(overview(known.length > 0 ? known : commands));
    return argv.includes('--help') || argv.includes('-h') ? 0 : 2;
  }
  out.error(
    new Fault('invalid', 'cli.usage', `unknown command '${words[0] ?? ''}'`, {
      hint: 'sally --help lists the commands',
    }),
  );
  return 2;
}

function invocation(input: ParsedInput, out: Printer, settings: Settings): Invocation {
  const list = (name: string): readonly string[] => {
    const value = input.values[name];
    const all = Array.isArray(value) ? value : [value];
    return all.filter((one): one is string => typeof one === 'string');
  };
  return {
    args: input.args,
    arg: (index) => {
      const value = input.args[index];
      if (value === undefined)
        throw new Fault('internal', 'cli.argument', `argument ${index} was not declared`);
      return value;
    },
    flag: (name) => list(name)[0],
    flags: list,
    on: (name) => input.values[name] === true,
    rest: input.rest,
    out,
    settings,
  };
}
