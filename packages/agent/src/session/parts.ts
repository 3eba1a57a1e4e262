import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Builder, createBuilder } from '../build/index.ts';
import { createReleases, type ImageSource } from '../deploy/index.ts';
import { createEgress, type Egress } from '../egress/index.ts';
import { createSandbox, type Log, type Sandbox } from '../sandbox/index.ts';
import { npmRegistry } from './npm-client.ts';

export interface Parts {
  readonly sandbox: Sandbox;
  readonly egress: Egress;
  readonly builder: Builder;
}

export const clock = { now: () => new Date() };

/** What a build needs, on this host, below `directory`. Finished or refused: nothing runs without its sandbox. */
export async function createParts(
  directory: string,
  log: Log,
  env: Readonly<Record<string, string | undefined>>,
  images?: ImageSource,
): Promise<Parts> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const sandbox = await createSandbox({
    clock,
    log,
    stateDirectory: join(directory, 'sandbox'),
    node: process.execPath,
  });
  const egress = createEgress({
    registry: await npmRegistry(env),
    directory: join(directory, 'cache'),
    clock,
    log,
  });
  await egress.recover();
  const builder = createBuilder({
    sandbox,
    egress,
    clock,
    log,
    directory: join(directory, 'builds'),
    ...(images === undefined
      ? {}
      : { images: createReleases({ directory: join(directory, 'images'), images }) }),
  });
  await builder.recover();
  return { sandbox, egress, builder };
}
