import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { freePorts } from '../support/installation.ts';
import { type Act, complaints, parseScript, saved } from '../support/script.ts';
import { type } from '../support/shell.ts';

/**
 * What people type at the secrets store, against real servers as `sally up --dev` and `sally server --seal shamir` start
 * them. tests/scripts/README.md says how a script is written.
 */
const scripts = fileURLToPath(new URL('./scripts/', import.meta.url));
const program = fileURLToPath(new URL('../../packages/cli/bin/sally.mjs', import.meta.url));
const sops = fileURLToPath(new URL('../../packages/cli/src/commands/transfer/vectors/sops', import.meta.url));
const rootToken = 'root-of-a-test';

let home: string;
let base: Readonly<Record<string, string>>;
const servers: ChildProcess[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'sally-store-'));
  mkdirSync(join(home, 'bin'));
  writeFileSync(join(home, 'bin', 'sally'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(join(home, 'bin', 'sally'), 0o755);
  const [dev = 0, sealed = 0] = await freePorts(2);
  base = {
    PATH: `${join(home, 'bin')}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
    HOME: home,
    // What a laptop has, also when the other tests run on PostgreSQL.
    DATABASE_URL: '',
    SALLYPORT_DEV_ROOT_TOKEN: rootToken,
    SOPS: sops,
    OTHER: join(home, 'other'),
    ...(process.env['NODE_COMPILE_CACHE'] === undefined
      ? {}
      : { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
  };
  await start(dev, ['up', '--dev', '--listen', `127.0.0.1:${dev}`]);
  await start(sealed, ['server', '--ephemeral', '--seal', 'shamir', '--listen', `127.0.0.1:${sealed}`]);
  base = { ...base, VAULT_ADDR: `http://127.0.0.1:${dev}`, SEALED_ADDR: `http://127.0.0.1:${sealed}` };
}, 120_000);
afterAll(async () => {
  for (const child of servers) {
    const ended = new Promise((done) => child.once('exit', done));
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await ended;
  }
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
}, 60_000);

describe('sally and the secrets store', () => {
  for (const name of readdirSync(scripts).sort()) {
    it(name.replace(/^[0-9]+-|\.txt$/g, ''), async () => {
      const shares = name.includes('shares');
      const values: Record<string, string> = {
        ...base,
        ...(shares ? { VAULT_ADDR: base['SEALED_ADDR'] ?? '' } : { VAULT_TOKEN: rootToken }),
      };
      for (const act of parseScript(readFileSync(join(scripts, name), 'utf8')))
        await perform(name, act, values);
    }, 180_000);
  }
});

async function perform(script: string, act: Act, values: Record<string, string>): Promise<void> {
  if (act.kind === 'file') writeFileSync(resolve(home, act.name), act.content);
  if (act.kind !== 'command') return;
  const answer = await type(act.text, { stdin: act.expect.stdin, cwd: home, env: values });
  const wrong = complaints(act.expect, answer, values);
  if (wrong.length > 0) {
    throw new Error(
      `${script}:${act.line}: $ ${act.text}\n${wrong.join('\n')}\n--- stdout\n${answer.stdout}--- stderr\n${answer.stderr}`,
    );
  }
  Object.assign(values, saved(act.expect, answer.stdout));
}

/** Ready when it answers; what it said stands in the error when it does not. */
async function start(port: number, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: home,
    env: base,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  servers.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-4000);
    });
  }
  for (let tried = 0; tried < 600; tried += 1) {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/sys/seal-status`).catch(() => undefined);
    if (answer?.ok) return;
    if (child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`sally ${args.join(' ')} did not answer: ${said}`);
}
