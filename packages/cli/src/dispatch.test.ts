import { describe, expect, it } from 'vitest';
import { type Command, readInput } from './command.ts';
import { commands } from './commands/all.ts';
import { dispatch } from './dispatch.ts';
import { commandHelp, overview } from './help.ts';

const nameOf = (argv: readonly string[]): string => {
  const asked = dispatch(commands, argv);
  return asked.kind === 'command' ? asked.command.name.join(' ') : asked.kind;
};

describe('a line', () => {
  it.each([
    [['status'], 'status'],
    [['secret', 'put', 'a#b'], 'secret put'],
    [['--json', 'runs'], 'runs'],
    [['--address', 'http://x', 'runs', 'latest'], 'runs'],
    [['help', 'secret', 'put'], 'secret put'],
    [['help'], 'help'],
    [['--help'], 'help'],
    [['secret', '--help'], 'help'],
    [['help', 'secret'], 'help'],
    [['--version'], 'version'],
  ])('%j asks for %s', (argv, expected) => {
    expect(nameOf(argv)).toBe(expected);
  });

  it('keeps common flags that stand before the command', () => {
    const asked = dispatch(commands, ['--address', 'http://x', '--json', 'runs', 'latest']);

    expect(asked).toMatchObject({ words: ['--address', 'http://x', '--json', 'latest'] });
  });

  it.each([
    [['stauts'], "did you mean 'sally status'?"],
    [['secret', 'lits'], "did you mean 'sally secret list'?"],
    [['secret', 'zzz'], 'sally secret --help lists the commands'],
    [['zzz'], 'sally --help lists the commands'],
    [['key'], 'sally --help lists the commands'],
    [[], 'sally --help lists the commands'],
    [['--json'], 'sally --help lists the commands'],
  ])('%j is refused with a hint', (argv, hint) => {
    expect(() => dispatch(commands, argv)).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'cli.usage', hint }),
    );
  });
});

const sample: Command = {
  name: ['sample'],
  summary: 'a sample',
  args: [
    { name: 'ONE', doc: 'one' },
    { name: 'TWO', optional: true, doc: 'two' },
  ],
  flags: {
    env: { type: 'string', short: 'e', doc: 'environment' },
    group: { type: 'string', many: true, doc: 'groups' },
  },
  examples: ['sally sample 1'],
  run: async () => undefined,
};

describe('the words of a command', () => {
  it('are its arguments and flags, in any order', () => {
    const { args, values } = readInput(sample, [
      '-e',
      'dev',
      'a',
      '--group',
      'x',
      'b',
      '--group=y',
      '--json',
    ]);

    expect(args).toEqual(['a', 'b']);
    expect({ ...values }).toEqual({ env: 'dev', group: ['x', 'y'], json: true });
  });

  it('after -- are arguments, whatever they look like', () => {
    expect(readInput(sample, ['--', '--env']).args).toEqual(['--env']);
  });

  it.each([
    [[], 'expected ONE, got nothing', 'sally sample --help shows what it takes'],
    [['a', 'b', 'c'], "unexpected argument 'c'", 'sally sample --help shows what it takes'],
    [['a', '--evn', 'dev'], "unknown option '--evn'", 'did you mean --env?'],
    [['a', '--zzz'], "unknown option '--zzz'", 'sally sample --help shows what it takes'],
    [['a', '--json=1'], "option '--json' does not take an argument", undefined],
  ])('%j are refused: %s', (words, message, hint) => {
    expect(() => readInput(sample, words)).toThrow(
      expect.objectContaining({ code: 'cli.usage', message, ...(hint === undefined ? {} : { hint }) }),
    );
  });

  it('may be missing when help is asked for', () => {
    expect(readInput(sample, ['--help']).values['help']).toBe(true);
  });
});

describe('every command', () => {
  it.each(commands.map((command) => [command.name.join(' '), command] as const))(
    '%s shows examples that it would take',
    (name, command) => {
      const calls = command.examples.flatMap((example) => example.match(/(?<=^|[|(] ?)sally .*$/)?.[0] ?? []);
      const own = calls.filter((call) => nameOf(wordsOf(call)) === name);

      expect(own.length).toBeGreaterThan(0);
      for (const call of calls) {
        const asked = dispatch(commands, wordsOf(call));
        if (asked.kind !== 'command') throw new Error(`no command: ${call}`);
        readInput(asked.command, asked.words);
      }
    },
  );

  it('has a name of its own, and no flag that hides a common one', () => {
    const names = commands.map(({ name }) => name.join(' '));
    const hidden = commands.flatMap(({ flags }) =>
      Object.keys(flags ?? {}).filter((flag) => ['json', 'address', 'help'].includes(flag)),
    );

    expect(new Set(names).size).toBe(names.length);
    expect(hidden).toEqual([]);
  });

  it('fits the help into a terminal', () => {
    const lines = [overview(commands), ...commands.map(commandHelp)].join('\n').split('\n');

    expect(lines.filter((line) => line.length > 120 && !line.includes('echo'))).toEqual([]);
  });
});

/** As a shell would split it: quotes, comments, redirections and the end of a pipe. */
function wordsOf(call: string): string[] {
  const [line = ''] = call.split(/ +[#|<>] *|\)$/);
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((found) => found.slice(1).join('')).slice(1);
}
