import type { Command } from '../../command.ts';
import { runProgram } from '../../programs.ts';

export const doctor: Command = {
  name: ['doctor'],
  summary: 'say what this host can enforce around a step, and how to enable the rest',
  examples: ['sally doctor', 'sally doctor --json'],
  run: async (invocation) => {
    const done = invocation.out.progress('trying what this host can enforce');
    return runProgram(invocation, 'agent', ['probe', ...(invocation.out.json ? ['--json'] : [])]).finally(
      done,
    );
  },
};
