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
  return commands.map(({ name, summary, args, flags }) => ({
    name,
    summary,
    flags: Object.entries({ ...flags, ...commonFlags }).flatMap(([word, { doc, short, type }]) => [
      { word: `--${word}`, doc, takesValue: type === 'string' },
      ...(short === undefined ? [] : [{ word: `-${short}`, doc, takesValue: type === 'string' }]),
    ]),
    values: args?.[0]?.values ?? [],
  }));
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
