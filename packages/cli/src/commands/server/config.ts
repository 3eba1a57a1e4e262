import type { Command } from '../../command.ts';
import { runProgram } from '../../programs.ts';

export const config: Command = {
  name: ['config'],
  summary: 'print the configuration of the server with the source of each value, secrets masked',
  flags: {
    config: { type: 'string', value: 'FILE', doc: 'configuration file' },
    data: { type: 'string', value: 'DIR', doc: 'data directory' },
  },
  examples: ['sally config', 'sally config --config sallyport.config.yaml --json'],
  run: async ({ out, flag }) => {
    const pass = (name: string): string[] => {
      const value = flag(name);
      return value === undefined ? [] : [`--${name}`, value];
    };
    return runProgram('server', [
      'config',
      ...pass('config'),
      ...pass('data'),
      ...(out.json ? ['--json'] : []),
    ]);
  },
};
