import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../commands/all.ts';
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import { offersOf } from './words.ts';
import { zshCompletion } from './zsh.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sally-completion-'));
  const offers = offersOf(commands);
  writeFileSync(join(directory, 'sally.bash'), bashCompletion(offers));
  writeFileSync(join(directory, '_sally'), zshCompletion(offers));
  writeFileSync(join(directory, 'sally.fish'), fishCompletion(offers));
});
afterAll(() => rmSync(directory, { recursive: true }));

type Shell = 'bash' | 'fish' | 'zsh';
const has = (shell: Shell): boolean => spawnSync(shell, ['-c', ':']).status === 0;

function run(shell: Shell, ...args: readonly string[]): string {
  const env = { HOME: directory, PATH: process.env['PATH'] };
  const { stdout, stderr, status } = spawnSync(shell, args, { env, encoding: 'utf8', timeout: 20_000 });
  if (status !== 0) throw new Error(`${shell} ended with ${status}: ${stderr}`);
  return stdout;
}

/** What was typed, and the words that the shell must offer then. */
const cases: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['sally secr', ['secret']],
  ['sally secret p', ['put']],
  ['sally secret put --rep', ['--replace']],
  ['sally runs --lim', ['--limit']],
  ['sally runs lat', ['latest']],
  ['sally completion f', ['fish']],
  ['sally up --no', ['--no-agent']],
];

describe.skipIf(!has('bash'))('bash', () => {
  const ask = (typed: string): readonly string[] => {
    const words = typed.split(' ');
    const script = `source ${directory}/sally.bash
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_sally; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return run('bash', '--norc', '-c', script).trim().split('\n');
  };

  it.each(cases)('completes %j', (typed, expected) => {
    expect(ask(typed)).toEqual(expected);
  });

  it('offers every first word once, and nothing of ours for the value of a flag', () => {
    const firsts = [...new Set(commands.map(({ name }) => name[0] ?? ''))];

    expect([...ask('sally ')].sort()).toEqual(firsts.sort());
    expect(ask('sally secret put --env ')).toEqual(['']);
  });
});

describe.skipIf(!has('fish'))('fish', () => {
  it.each(cases)('completes %j', (typed, expected) => {
    const script = `source ${directory}/sally.fish; complete -C '${typed}'`;
    const offered = run('fish', '--no-config', '-c', script);

    expect(
      offered
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[0]),
    ).toEqual(expected);
  });
});

describe.skipIf(!has('zsh'))('zsh', () => {
  // A terminal of its own in which TAB is pressed: first the function is found by its file, as users install it.
  const ask = (typed: string): string => {
    const script = `
zmodload zsh/zpty
zpty z 'TERM=dumb zsh -f -i'
zpty -w z "PS1=; PROMPT_EOL_MARK=; unsetopt zle_bracketed_paste; fpath=(${directory} \\$fpath)"
zpty -w z 'autoload -Uz compinit; compinit -u -d ${directory}/dump; print READY'
zpty -r z seen '*READY*READY*'
zpty -n -w z $'${typed}\\t'
sleep 1
zpty -n -w z $'\\x15print DONE\\n'
zpty -r z seen '*DONE*'
print -r -- "$seen"
zpty -d z`;
    return run('zsh', '-f', '-c', script);
  };

  it.each(cases)('completes %j', (typed, [expected = '']) => {
    expect(ask(typed)).toContain(`${typed.slice(0, typed.lastIndexOf(' ') + 1)}${expected}`);
  });
});
