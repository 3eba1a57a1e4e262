import { Fault, utf8 } from '@sallyport/formats';
import type { Command } from '../../command.ts';
import { bashCompletion } from '../../completion/bash.ts';
import { fishCompletion } from '../../completion/fish.ts';
import { type Offer, offersOf } from '../../completion/words.ts';
import { zshCompletion } from '../../completion/zsh.ts';

const scripts: Readonly<Record<string, (offers: readonly Offer[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** Made from the command table, so that a new command completes itself. */
export function completionCommand(all: () => readonly Command[]): Command {
  return {
    name: ['completion'],
    summary: 'print a completion script for a shell',
    args: [{ name: 'SHELL', doc: 'bash, zsh or fish', values: Object.keys(scripts) }],
    examples: [
      'source <(sally completion bash)',
      'sally completion zsh > "$' + '{fpath[1]}/_sally"',
      'sally completion fish > ~/.config/fish/completions/sally.fish',
    ],
    run: async ({ arg, out }) => {
      const make = scripts[arg(0)];
      if (make === undefined) {
        throw new Fault('invalid', 'cli.usage', `expected bash, zsh or fish, got '${arg(0)}'`);
      }
      const script = make(offersOf(all()));
      if (out.json) out.data({ shell: arg(0), script }, () => script);
      else await out.bytes(utf8(script));
      return undefined;
    },
  };
}
