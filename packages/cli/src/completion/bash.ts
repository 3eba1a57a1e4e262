import { groupsOf, type Offer } from './words.ts';

export function bashCompletion(offers: readonly Offer[]): string {
  const groups = [...groupsOf(offers)];
  const verbs = groups
    .filter(([, group]) => group.length > 0)
    .map(([first, group]) =>
      branch(
        first,
        group.map(({ name }) => name[1] ?? ''),
      ),
    );
  const valued = new Set(
    offers.flatMap(({ flags }) => flags.filter(({ takesValue }) => takesValue).map(({ word }) => word)),
  );
  return `_sally() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  COMPREPLY=()
  case "$previous" in
    ${[...valued].join('|')}) return ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${groups.map(([first]) => first).join(' ')}"
  else
    case "\${COMP_WORDS[1]}" in
${offers
  .filter(({ name }) => name.length === 1)
  .map(wordsOf)
  .join('\n')}
    esac
    if [ "$COMP_CWORD" -eq 2 ]; then
      case "\${COMP_WORDS[1]}" in
${verbs.map((line) => `  ${line}`).join('\n')}
      esac
    fi
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${offers
  .filter(({ name }) => name.length === 2)
  .map(wordsOf)
  .join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _sally sally
`;
}

function wordsOf({ flags, name, values }: Offer): string {
  const long = flags.filter(({ word }) => word.startsWith('--')).map(({ word }) => word);
  return branch(`"${name.join(' ')}"`, [...values, ...long]);
}

const branch = (pattern: string, words: readonly string[]): string =>
  `      ${pattern}) words="$words ${words.join(' ')}" ;;`;
