import { parseArgs } from 'node:util';
import { Fault } from '@sallyport/formats';

/** Reads `--name value` flags, the `lists` among them as often as given; everything that was not declared is refused. */
export function readFlags<const N extends string>(
  argv: readonly string[],
  names: readonly N[],
  switches: readonly string[] = [],
  lists: readonly string[] = [],
): {
  readonly values: Partial<Record<N, string>>;
  readonly on: ReadonlySet<string>;
  readonly many: (name: string) => readonly string[];
  readonly words: readonly string[];
} {
  try {
    const parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      strict: true,
      options: Object.fromEntries([
        ...names.map((name) => [name, { type: 'string' as const }]),
        ...lists.map((name) => [name, { type: 'string' as const, multiple: true }]),
        ...switches.map((name) => [name, { type: 'boolean' as const }]),
      ]),
    });
    const values: Record<string, unknown> = parsed.values;
    const texts: Partial<Record<N, string>> = {};
    for (const name of names) {
      const value = values[name];
      if (typeof value === 'string') texts[name] = value;
    }
    return {
      values: texts,
      on: new Set(switches.filter((name) => values[name] === true)),
      many: (name) => {
        const given = values[name];
        return Array.isArray(given) ? given.filter((each) => typeof each === 'string' && each !== '') : [];
      },
      words: parsed.positionals,
    };
  } catch (cause) {
    throw new Fault('invalid', 'agent.usage', cause instanceof Error ? cause.message : 'bad arguments', {
      cause,
    });
  }
}

export function required(value: string | undefined, flag: string): string {
  if (value !== undefined && value !== '') return value;
  throw new Fault('invalid', 'agent.usage', `expected --${flag}, got nothing`);
}
