import { parseArgs } from 'node:util';
import { Fault } from '@sallyport/formats';

/** Reads `--name value` flags; everything that was not declared is refused. */
export function readFlags<const N extends string>(
  argv: readonly string[],
  names: readonly N[],
  switches: readonly string[] = [],
): {
  readonly values: Partial<Record<N, string>>;
  readonly on: ReadonlySet<string>;
  readonly words: readonly string[];
} {
  try {
    const parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      strict: true,
      options: Object.fromEntries([
        ...names.map((name) => [name, { type: 'string' as const }]),
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
