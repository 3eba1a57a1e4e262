import { groupsOf, type Offer, quoted } from './words.ts';

/** Works when sourced after compinit, and as a file `_sally` in the function path, also for the very first TAB. */
export function zshCompletion(offers: readonly Offer[]): string {
  const groups = [...groupsOf(offers)];
  const firsts = groups.map(([first, group]) => {
    const own = offers.find(({ name }) => name.length === 1 && name[0] === first);
    return described(first, own?.summary ?? group.map(({ name }) => name[1]).join(', '));
  });
  const verbs = groups.filter(([, group]) => group.length > 0);
  return `#compdef sally
_sally() {
  local -a found values
  if (( CURRENT == 2 )); then
    found=(${firsts.join(' ')})
    _describe command found
    return
  fi
  if (( CURRENT == 3 )); then
    case "$words[2]" in
${verbs.map(([first, group]) => `      ${first}) found=(${group.map(verb).join(' ')}); _describe command found ;;`).join('\n')}
    esac
  fi
  found=()
  case "$words[2]" in
${offers
  .filter(({ name }) => name.length === 1)
  .map(branch)
  .join('\n')}
  esac
  case "$words[2] $words[3]" in
${offers
  .filter(({ name }) => name.length === 2)
  .map(branch)
  .join('\n')}
  esac
  if [[ "$PREFIX" == -* ]]; then
    _describe flag found
  elif (( $#values )); then
    compadd -a values
  elif (( $#found )); then
    _files
  fi
}
if [[ "$funcstack[1]" == _sally ]]; then
  _sally "$@"
else
  compdef _sally sally
fi
`;
}

const verb = ({ name, summary }: Offer): string => described(name[1] ?? '', summary);

function branch({ flags, name, values }: Offer): string {
  const found = flags.map(({ word, doc }) => described(word, doc)).join(' ');
  return `    ${quoted(name.join(' '))}) found=(${found}); values=(${values.join(' ')}) ;;`;
}

/** `_describe` takes `word:description`, with colons of the word escaped. */
const described = (word: string, doc: string): string => quoted(`${word.replaceAll(':', '\\:')}:${doc}`);
