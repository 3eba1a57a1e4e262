import { groupsOf, type Offer, quoted } from './words.ts';

export function fishCompletion(offers: readonly Offer[]): string {
  const heads = [...groupsOf(offers)]
    .filter(([, group]) => group.length > 0)
    .map(([first]) => `complete -c sally -n __fish_use_subcommand -f -a ${first}`);
  return `${[...heads, ...offers.flatMap(linesOf)].join('\n')}\n`;
}

function linesOf({ flags, name, summary, values }: Offer): readonly string[] {
  const [first = '', second] = name;
  const inFirst = `__fish_seen_subcommand_from ${first}`;
  const inside = second === undefined ? inFirst : `${inFirst}; and __fish_seen_subcommand_from ${second}`;
  const [when, word] =
    second === undefined
      ? ['__fish_use_subcommand', first]
      : [`${inFirst}; and test (count (commandline -opc)) -eq 2`, second];
  return [
    `complete -c sally -n ${quoted(when)} -f -a ${word} -d ${quoted(summary)}`,
    ...(values.length === 0
      ? []
      : [`complete -c sally -n ${quoted(inside)} -f -a ${quoted(values.join(' '))}`]),
    ...flags.map(
      ({ word, doc, takesValue }) =>
        `complete -c sally -n ${quoted(inside)} ${word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`}${takesValue ? ' -r' : ''} -d ${quoted(doc)}`,
    ),
  ];
}
