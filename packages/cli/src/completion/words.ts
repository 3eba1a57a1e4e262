import { type Command, commonFlags } from '../command.ts';

/** What a shell may offer after the name of a command. */
export interface Offer {
  readonly name: readonly string[];
  readonly summary: string;
  /** With their dashes. */
  readonly flags: ReadonlyArray<{
    readonly word: string;
    readonly doc: string;
    readonly takesValue: boolean;
  }>;
  /** Words that its first argument may be; other arguments are files or names that only the server knows. */
  readonly values: readonly string[];
}

export function offersOf(commands: readonly Command[]): readonly Offer[] {
  return groups(commands).map(({ name, summary, args, flags }) => ({
    name,
    summary,
    flags: Object.entries({ ...flags, ...commonFlags }).flatMap(([word, { doc, short, type }]) => [
      { word: `--${word}`, doc, takesValue: type === 'string' },
      ...(short === undefined ? [] : [{ word: `-${short}`, doc, takesValue: type === 'string' }]),
    ]),
    values: args?.[0]?.values ?? [],
  }));
}

/** A shell offers two words and then values: verbs of a group within a group are the values of its second word. */
function groups(
  commands: readonly Command[],
): readonly Pick<Command, 'name' | 'summary' | 'args' | 'flags'>[] {
  const inner = commands.filter(({ name }) => name.length > 2);
  const heads = new Map(inner.map(({ name }) => [name.slice(0, 2).join(' '), name.slice(0, 2)]));
  return [
    ...commands.filter(({ name }) => name.length <= 2),
    ...[...heads.values()].map((name) => {
      const own = inner.filter((command) => name.every((word, index) => command.name[index] === word));
      const verbs = own.map((command) => command.name[2] ?? '');
      return {
        name,
        summary: verbs.join(', '),
        args: [{ name: 'VERB', values: verbs, doc: 'what to do' }],
        flags: Object.assign({}, ...own.map(({ flags }) => flags)),
      };
    }),
  ];
}

/** The first words of all commands, each with the second words that may follow it. */
export function groupsOf(offers: readonly Offer[]): ReadonlyMap<string, readonly Offer[]> {
  const groups = new Map<string, Offer[]>();
  for (const offer of offers) {
    const first = offer.name[0] ?? '';
    groups.set(first, [...(groups.get(first) ?? []), ...(offer.name.length > 1 ? [offer] : [])]);
  }
  return groups;
}

/** A word or text for a shell, in single quotes. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
