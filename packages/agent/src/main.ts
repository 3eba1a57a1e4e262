#!/usr/bin/env node
import { Fault, isFault } from '@sallyport/formats';
import { exitCodeOf } from '@sallyport/sdk';
import { buildLocally } from './commands/local.ts';
import { showProbe } from './commands/probe.ts';
import { runAgent } from './commands/run.ts';
import { ensureBubblewrap } from './sandbox/index.ts';
import { createJsonLog } from './session/log.ts';

const log = createJsonLog(
  (line) => process.stderr.write(line),
  () => new Date(),
);
const quiet = { ...log, info: () => undefined };

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  process.exit(report(error));
}

/** As the command line reports its own errors: for `sally run --local` and `sally doctor` this is its voice. */
function report(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  const fault = isFault(error) ? error : undefined;
  const code = fault === undefined ? '' : ` [${fault.code}]`;
  process.stderr.write(`sallyport-agent: error: ${message}${code}\n`);
  if (fault?.hint !== undefined) process.stderr.write(`sallyport-agent: hint: ${fault.hint}\n`);
  if (process.argv.includes('--json')) {
    const shown = { message, code: fault?.code ?? 'internal.error', hint: fault?.hint };
    process.stdout.write(`${JSON.stringify({ error: shown })}\n`);
  }
  return exitCodeOf(error);
}

async function main([command = '', ...argv]: readonly string[]): Promise<number> {
  switch (command) {
    case 'run':
      await runAgent(argv, log, process.env);
      return 0;
    case 'probe':
      return showProbe(argv, quiet);
    case 'local':
      return buildLocally(argv, quiet, process.env);
    case 'ensure-sandbox': {
      const { installed } = await ensureBubblewrap(log);
      if (installed) process.stderr.write('sally: installed bubblewrap, which isolates every step\n');
      return 0;
    }
    default:
      throw new Fault(
        'invalid',
        'agent.usage',
        `expected run, probe, local or ensure-sandbox, got "${command}"`,
      );
  }
}
