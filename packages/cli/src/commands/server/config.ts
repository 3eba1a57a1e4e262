import type { Command } from '../../command.ts';
import { runProgram } from '../../programs.ts';

export const config: Command = {
  name: ['config'],
  summary: 'print the configuration of the server with the source of each value, secrets masked',
  flags: {
    config: { type: 'string', value: 'FILE', doc: 'configuration file' },
    data: { type: 'string', value: 'DIR', doc: 'data directory, default the one that sally up takes' },
  },
  examples: ['sally config', 'sally config --config sallyport.config.yaml --json'],
  run: (invocation) => {
    const { flag, out, settings } = invocation;
    const file = flag('config');
    return runProgram(invocation, 'server', [
      'config',
      '--data-directory',
      flag('data') ?? settings.dataDirectory,
      ...(file === undefined ? [] : ['--config', file]),
      ...(out.json ? ['--json'] : []),
    ]);
  },
};
