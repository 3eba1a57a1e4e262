import { describe, expect, it } from 'vitest';
import type { Command } from '../../packages/cli/src/command.ts';
import { commands } from '../../packages/cli/src/commands/all.ts';
import { cliDoc } from './cli.ts';

const made: Command = {
  name: ['secret', 'put'],
  summary: 'store a secret',
  args: [{ name: 'PATH#KEY', doc: 'where' }],
  flags: { env: { type: 'string', short: 'e', value: 'NAME', many: true, doc: 'dev | prod' } },
  examples: ['sally secret put a#b --env dev'],
  run: () => Promise.resolve(undefined),
};

describe('docs/cli.md', () => {
  it('shows usage, arguments, flags and examples of a command', () => {
    const text = cliDoc([made]);

    expect(text).toContain(
      '## sally secret put\n\nStore a secret.\n\n```sh\nsally secret put PATH#KEY [flags]\n```',
    );
    expect(text).toContain('| `PATH#KEY` | where |');
    expect(text).toContain('| `--env NAME`, `-e` | dev \\| prod; may be repeated |');
    expect(text).toContain('```sh\nsally secret put a#b --env dev\n```');
  });

  it('has a section for every command', () => {
    const text = cliDoc(commands);

    for (const { name } of commands) expect(text).toContain(`\n## sally ${name.join(' ')}\n`);
  });

  it('is another text when a flag changes', () => {
    expect(cliDoc([{ ...made, flags: {} }])).not.toBe(cliDoc([made]));
  });
});
