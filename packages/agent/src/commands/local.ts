import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseDefinition } from '@sallyport/contract';
import { Fault } from '@sallyport/formats';
import { type LocalProgress, runLocal } from '../build/index.ts';
import type { Log } from '../sandbox/index.ts';
import { createParts } from '../session/parts.ts';
import { readFlags, required } from './arguments.ts';

/** `sally run --local`: the working directory through the same sandbox and mirror, with no secret and no server. */
export async function buildLocally(
  argv: readonly string[],
  log: Log,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const { values, on } = readFlags(argv, ['directory', 'data', 'file'], ['json']);
  const directory = resolve(values.directory ?? '.');
  const file = values.file ?? 'sallyport.yaml';
  const definition = parseDefinition(await readDefinition(join(directory, file)), { file });
  const { builder, egress } = await createParts(resolve(required(values.data, 'data')), log, env);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const report = await runLocal({
    builder,
    workingDirectory: directory,
    definition,
    runId: `run_local-${process.pid}`,
    commitEpochSeconds: Number(env['SOURCE_DATE_EPOCH'] ?? '0'),
    progress: show,
    signal: stop.signal,
  });
  egress.close();
  if (on.has('json')) process.stdout.write(`${JSON.stringify(report)}\n`);
  else if (report.outcome === 'succeeded') process.stdout.write(`${report.image?.digest ?? ''}\n`);
  else process.stderr.write(`sally: error: ${report.reason ?? 'the build failed'}\n`);
  return report.outcome === 'succeeded' ? 0 : 1;
}

async function readDefinition(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new Fault(
      'not_found',
      'agent.no_definition',
      `expected a definition at ${file}, could not read it`,
      {
        hint: 'sally init writes one; --directory names another project',
        cause,
      },
    );
  }
}

function show(progress: LocalProgress): void {
  const { stderr } = process;
  switch (progress.kind) {
    case 'step-started':
      stderr.write(`sally: step ${progress.step}\n`);
      return;
    case 'output':
      stderr.write(progress.bytes);
      return;
    case 'step-finished':
      stderr.write(`sally: step ${progress.step} ${progress.report.outcome}\n`);
      return;
    case 'note':
      stderr.write(`sally: ${progress.text}\n`);
      return;
  }
}
