#!/usr/bin/env node
import { isFault } from '@sallyport/formats';
import { collectWhenIdle, createLog, loadConfig, sourcesOf } from '#platform';
import { compose } from './app/compose.ts';

const argv = process.argv.slice(2);
try {
  await (argv[0] === 'config' ? showConfig(argv.slice(1)) : serve(argv));
} catch (error) {
  process.stderr.write(
    `sallyport-server: error: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  if (isFault(error)) {
    process.stderr.write(`sallyport-server: code: ${error.code}\n`);
    if (error.hint !== undefined) process.stderr.write(`sallyport-server: hint: ${error.hint}\n`);
  }
  process.exit(1);
}

/** Prints one JSON line on standard output when it is ready; everything else it says is log, on standard error. */
async function serve(words: readonly string[]): Promise<void> {
  const [localAgent, dev] = [words.includes('--local-agent'), words.includes('--dev')];
  const sources = sourcesOf(words.filter((word) => word !== '--local-agent' && word !== '--dev'));
  const { config } = await loadConfig(sources);
  const log = createLog({ level: config.logLevel });
  const onDatabaseStopped = (reason: string): void => {
    log.error({ reason }, 'the database stopped; the server stops, and the next start recovers');
    process.exit(70);
  };
  const sallyport = await compose(config, log, onDatabaseStopped, sources.env);
  const { url, ...started } = await sallyport.start({ localAgent, dev });
  process.stdout.write(`${JSON.stringify({ ready: true, address: url, ...started })}\n`);
  collectWhenIdle().catch((error: unknown) => log.warn({ err: error }, 'garbage was not collected'));
  const stop = (): void => {
    sallyport.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'the server could not stop cleanly');
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.on('SIGHUP', () => {
    sallyport.hangUp().catch((error: unknown) => log.error({ err: error }, 'SIGHUP met an error'));
  });
}

async function showConfig(words: readonly string[]): Promise<void> {
  const loaded = await loadConfig(sourcesOf(words.filter((word) => word !== '--json')));
  const rows = loaded.describe();
  if (words.includes('--json')) {
    process.stdout.write(`${JSON.stringify(rows)}\n`);
    return;
  }
  const width = (pick: (row: (typeof rows)[number]) => string): number =>
    Math.max(...rows.map((row) => pick(row).length));
  const [names, values] = [width((row) => row.name), width((row) => row.value)];
  for (const { name, value, source } of rows) {
    process.stdout.write(`${name.padEnd(names)}  ${value.padEnd(values)}  ${source}\n`);
  }
}
