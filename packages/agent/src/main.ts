#!/usr/bin/env node
import { Fault, isFault } from '@sallyport/formats';
import { exitCodeOf } from '@sallyport/sdk';
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

/** Each command loads only its own code: the agent that runs for months has no use for the parser of definitions. */
async function main([command = '', ...argv]: readonly string[]): Promise<number> {
  switch (command) {
    case 'run': {
      const { runAgent } = await import('./commands/run.ts');
      await runAgent(argv, log, process.env);
      return 0;
    }
    case 'probe': {
      const { showProbe } = await import('./commands/probe.ts');
      return showProbe(argv, quiet);
    }
    case 'local': {
      const { buildLocally } = await import('./commands/local.ts');
      return buildLocally(argv, quiet, process.env);
    }
    case 'ensure-sandbox': {
      const { ensureBubblewrap } = await import('./sandbox/index.ts');
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
