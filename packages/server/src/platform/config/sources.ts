import { parseArgs } from 'node:util';
import { Fault } from '@sallyport/formats';
import type { ConfigSources } from './config.ts';
import { flagName, optionList } from './options.ts';

/** Command line and environment of this process as sources for `loadConfig`; the one place that reads `process.env`. */
export function sourcesOf(argv: readonly string[], env: ConfigSources['env'] = process.env): ConfigSources {
  const flags: Record<string, { type: 'string' }> = { config: { type: 'string' } };
  for (const [name] of optionList) flags[flagName(name)] = { type: 'string' };
  const { config, ...rest } = parse(argv, flags);
  const file = config ?? env['SALLYPORT_CONFIG'];
  return { env, flags: rest, cwd: process.cwd(), ...(file === undefined || file === '' ? {} : { file }) };
}

function parse(
  argv: readonly string[],
  options: Record<string, { type: 'string' }>,
): Record<string, string | undefined> {
  try {
    // Every option is declared as a string, so every value is one.
    return { ...parseArgs({ args: [...argv], options, strict: true }).values } as Record<
      string,
      string | undefined
    >;
  } catch (error) {
    const message = error instanceof Error ? error.message : 'the command line cannot be read';
    throw new Fault(
      'invalid',
      'config.arguments',
      message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, ''),
      {
        hint: `known are ${Object.keys(options)
          .map((name) => `--${name}`)
          .join(', ')}`,
        cause: error,
      },
    );
  }
}
