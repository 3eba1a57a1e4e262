import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '@sallyport/sdk';
import { type RawBuilder, sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, createSally, type Sally } from '../../examples/demo/sally.ts';
import { createScreen } from '../../examples/demo/terminal.ts';
import { openDatabase } from '../../packages/server/src/platform/db/database.ts';
import { silentLog } from '../../packages/server/test-support/fakes.ts';
import { freePorts } from '../support/installation.ts';

/** A server of its own process, its audit as an operator sees it: signals, the command line, and somebody at its files. */

const directory = mkdtempSync(join(tmpdir(), 'sally-audit-'));
const data = join(directory, 'data');
const device = join(directory, 'audit.log');
const program = fileURLToPath(new URL('../../packages/server/src/main.ts', import.meta.url));
let server: ChildProcess | undefined;
let address = '';
let rootToken = '';
let sally: Sally;
let log = '';

beforeAll(async () => {
  const [port = 0] = await freePorts(1);
  address = `http://127.0.0.1:${port}`;
  writeFileSync(
    join(directory, 'config.yaml'),
    `listen_port: ${port}\naudit_devices:\n  - path: file\n    type: file\n    options: {file_path: ${device}, required: true}\n`,
  );
  const { bootstrapToken, ...started } = await start();
  rootToken = String(started.rootToken);
  const { issued } = await createClient({ address }).transport.json<{ issued: { token: string } }>(
    'POST',
    '/api/identity/login',
    { body: { token: bootstrapToken, name: 'Ada', email: 'ada@example.com' } },
  );
  sally = createSally(
    createScreen(() => undefined, false),
    { SALLYPORT_ADDR: address, SALLYPORT_TOKEN: issued.token, HOME: directory },
  );
});
afterAll(async () => {
  await stop('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<{ bootstrapToken?: string; rootToken?: string }> {
  const child = spawn(
    process.execPath,
    [program, '--dev', '--data-directory', data, '--config', join(directory, 'config.yaml')],
    { env: { PATH: process.env['PATH'], HOME: directory }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  server = child;
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  return await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${log.slice(-2000)}`)));
    child.stdout?.once('data', (chunk: Buffer) => resolve(JSON.parse(chunk.toString())));
  });
}

async function stop(signal: NodeJS.Signals): Promise<void> {
  const child = server;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

async function secret(method: string, path: string, body?: object): Promise<number> {
  const answer = await fetch(`${address}/v1/secret/data/${path}`, {
    method,
    headers: { 'x-vault-token': rootToken },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

const pathsIn = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).request.path);

interface Report {
  readonly ok: boolean;
  readonly audit: Record<
    'file' | 'table',
    { readonly difference?: { readonly place: number; readonly what: string } }
  >;
}

async function verified(): Promise<{ answer: Answer; report: Report }> {
  const answer = await sally.attempt(['audit', 'verify', '--json']);
  return { answer, report: JSON.parse(answer.stdout.split('\n')[0] ?? '') };
}

/** Changes the embedded database while the server is down, as somebody with access to the disk would. */
async function inDatabase(statement: RawBuilder<unknown>): Promise<void> {
  const db = await openDatabase({ kind: 'directory', directory: join(data, 'database') }, silentLog);
  await db.write(async (tx) => void (await statement.execute(tx)));
  await db.close();
}

describe('the audit of a server', () => {
  it('goes on in a new file after SIGHUP', async () => {
    expect(await secret('POST', 'before', { data: { password: 'hunter2 hunter2' } })).toBe(200);
    expect(pathsIn(device)).toContain('secret/data/before');
    renameSync(device, `${device}.1`);
    expect(await secret('GET', 'between')).toBe(404);
    server?.kill('SIGHUP');
    for (let tries = 0; !existsSync(device) && tries < 200; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    expect(await secret('GET', 'after')).toBe(404);
    expect(pathsIn(`${device}.1`)).toContain('secret/data/between');
    expect(pathsIn(device)).toContain('secret/data/after');
    expect(readFileSync(device, 'utf8') + readFileSync(`${device}.1`, 'utf8') + log).not.toContain('hunter2');
  });

  it('is searched from the command line, for a value too', async () => {
    const found = await sally.run(['audit', 'search', '--path', 'secret/data/*', '--since', '1h']);
    expect(found.stdout).toMatch(/Z {2}create secret\/data\/before {2}root {2}127\.0\.0\.1/);
    const value = await sally.run(['audit', 'search', '--value', '--json'], 'hunter2 hunter2\n');
    expect(value.stdout.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(value.stdout).request.path).toBe('secret/data/before');
    expect((await sally.run(['audit', 'search', '--value'], 'nobody wrote this')).stderr).toContain(
      'nothing found',
    );
    const events = await sally.run(['audit', 'search', '--since', 'tomorrow-ish']).catch(String);
    expect(events).toContain('expected --since as');
  });

  it('verifies, and names the batch when a byte of the journal file was changed', async () => {
    const before = await verified();
    expect([before.answer.code, before.report.ok]).toEqual([0, true]);
    const journal = join(data, 'journal');
    const [name = ''] = readdirSync(journal).filter((each) => each.endsWith('.log'));
    const whole = readFileSync(join(journal, name));
    const changed = Buffer.from(whole);
    changed.write('X', changed.indexOf('secret/data/between'));
    writeFileSync(join(journal, name), changed);

    const { answer, report } = await verified();
    expect(answer.code).toBe(6);
    expect(report.audit.file.difference?.place).toBeGreaterThan(0);
    expect((await sally.attempt(['audit', 'verify'])).stdout).toMatch(
      /journal file: batch \d+ is not as it was written/,
    );
    writeFileSync(join(journal, name), whole);
    expect((await verified()).answer.code).toBe(0);
  });

  it('names the batch of the table that was changed behind the server', async () => {
    await stop('SIGTERM');
    const at = sql`position('secret/data/before'::bytea in body)`;
    await inDatabase(
      sql`update journal_batches set body = overlay(body placing 'X'::bytea from ${at}) where ${at} > 0`,
    );
    await start();

    const { answer, report } = await verified();
    expect(answer.code).toBe(6);
    expect(report.audit.table.difference).toMatchObject({ place: expect.any(Number), what: 'changed' });
    expect(report.audit.file.difference).toBeUndefined();
  });
});
