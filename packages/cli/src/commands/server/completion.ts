import { Fault } from '@sallyport/formats';
import { type Command, commonFlags } from '../../command.ts';

/** Made from the command table, so that a new command completes itself. */
export function completionCommand(all: () => readonly Command[]): Command {
  return {
    name: ['completion'],
    summary: 'print a completion script for a shell',
    args: [{ name: 'SHELL', doc: 'bash, zsh or fish' }],
    examples: [
      'source <(sally completion bash)',
      'sally completion zsh > "$' + '{fpath[1]}/_sally"',
      'sally completion fish > ~/.config/fish/completions/sally.fish',
    ],
    run: async ({ arg, out }) => {
      const script = scripts[arg(0)];
      if (script === undefined) {
        throw new Fault('invalid', 'cli.usage', `expected bash, zsh or fish, got '${arg(0)}'`);
      }
      out.bytes(new TextEncoder().encode(script(all())));
      return undefined;
    },
  };
}

const flagsOf = (command: Command): string[] =>
  Object.keys({ ...command.flags, ...commonFlags }).map((name) => `--${name}`);

const groups = (commands: readonly Command[]): Map<string, string[]> => {
  const found = new Map<string, string[]>();
  for (const { name } of commands) {
    const [first, second] = name;
    if (first === undefined) continue;
    found.set(first, [...(found.get(first) ?? []), ...(second === undefined ? [] : [second])]);
  }
  return found;
};

function bash(commands: readonly Command[]): string {
  const branch = (pattern: string, words: readonly string[]): string =>
    `    ${pattern}) words="$words ${words.join(' ')}" ;;`;
  const flags = (count: number): string[] =>
    commands
      .filter(({ name }) => name.length === count)
      .map((command) => branch(`"${command.name.join(' ')}"`, flagsOf(command)));
  return `_sally() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${[...groups(commands).keys()].join(' ')}"
  else
    case "\${COMP_WORDS[1]}" in
${[...groups(commands)]
  .filter(([, rest]) => rest.length > 0)
  .map(([first, rest]) => branch(first, rest))
  .join('\n')}
    esac
    case "\${COMP_WORDS[1]}" in
${flags(1).join('\n')}
    esac
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${flags(2).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _sally sally
`;
}

function zsh(commands: readonly Command[]): string {
  return `#compdef sally
autoload -U +X bashcompinit && bashcompinit
${bash(commands)}`;
}

function fish(commands: readonly Command[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => {
    const [first = '', second] = command.name;
    const seen =
      second === undefined
        ? `__fish_seen_subcommand_from ${first}`
        : `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`;
    return [
      second === undefined
        ? `complete -c sally -n __fish_use_subcommand -f -a ${first} -d ${quote(command.summary)}`
        : `complete -c sally -n '__fish_seen_subcommand_from ${first}' -f -a ${second} -d ${quote(command.summary)}`,
      ...Object.entries({ ...command.flags, ...commonFlags }).map(
        ([name, flag]) => `complete -c sally -n '${seen}' -l ${name} -d ${quote(flag.doc)}`,
      ),
    ];
  });
  const heads = [...groups(commands)]
    .filter(([, rest]) => rest.length > 0)
    .map(([first]) => `complete -c sally -n __fish_use_subcommand -f -a ${first}`);
  return `${[...heads, ...lines].join('\n')}\n`;
}

const scripts: Readonly<Record<string, (commands: readonly Command[]) => string>> = { bash, zsh, fish };
