#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { isFault } from '@sallyport/formats';
import { exitCodeOf } from '@sallyport/sdk';
import { type Command, readInput } from './command.ts';
import { commands } from './commands/all.ts';
import { dispatch } from './dispatch.ts';
import { commandHelp, overview } from './help.ts';
import { createInvocation } from './invocation.ts';
import { createPrinter, type Printer } from './printer.ts';
import { loadSettings } from './settings.ts';

/** As a shell shows it: 128 and the number of SIGINT. */
const interrupted = 130;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const end = argv.indexOf('--');
  const json = (end === -1 ? argv : argv.slice(0, end)).includes('--json');
  const out = createPrinter({ out: process.stdout, err: process.stderr }, json);
  endWithReader(process.stdout);
  try {
    const asked = dispatch(commands, argv);
    switch (asked.kind) {
      case 'version':
        out.data({ version: version() }, version);
        return 0;
      case 'help':
        process.stdout.write(overview(asked.commands));
        return 0;
      case 'command':
        return await runCommand(asked.command, asked.words, out);
    }
  } catch (error) {
    out.error(error);
    if (!isFault(error) && process.env['SALLYPORT_DEBUG'] !== undefined) console.error(error);
    return exitCodeOf(error);
  }
}

async function runCommand(command: Command, words: readonly string[], out: Printer): Promise<number> {
  const input = readInput(command, words);
  if (input.values['help'] === true) {
    process.stdout.write(commandHelp(command));
    return 0;
  }
  const actions: (() => void | Promise<void>)[] = [];
  if (command.handlesSignals !== true) {
    process.once('SIGINT', () => {
      out.quiet();
      const end = (): never => process.exit(interrupted);
      Promise.all(actions.map((action) => action())).then(end, end);
    });
  }
  const address = input.values['address'];
  const settings = loadSettings(process.env, typeof address === 'string' ? address : undefined);
  return (await command.run(createInvocation(input, out, settings, (action) => actions.push(action)))) ?? 0;
}

/** `sally runs | head -1`: when nobody reads any more there is nothing left to say, and nothing went wrong. */
function endWithReader(stdout: NodeJS.WriteStream): void {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}
