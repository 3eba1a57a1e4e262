#!/usr/bin/env node
import { Fault, isFault } from '@sallyport/formats';
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
  process.stderr.write(`sallyport-agent: error: ${error instanceof Error ? error.message : String(error)}\n`);
  if (isFault(error) && error.hint !== undefined)
    process.stderr.write(`sallyport-agent: hint: ${error.hint}\n`);
  process.exit(1);
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
