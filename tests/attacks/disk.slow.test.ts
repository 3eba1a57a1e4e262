import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SecretBytes } from '@sallyport/formats';
import { type Client, createClient } from '@sallyport/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../support/installation.ts';
import { pushBlob } from './fortress.ts';

/** A server whose file system is full: a small one of its own, which only root may make. */

const directory = mkdtempSync(join(tmpdir(), 'sally-full-'));
const program = fileURLToPath(new URL('../../packages/server/src/main.ts', import.meta.url));
const ballast = join(directory, 'ballast');
let mounted = false;
let server: ChildProcess | undefined;
let port = 0;
let log = '';

beforeAll(async () => {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=0700', 'tmpfs', directory], {
      stdio: 'pipe',
    });
    mounted = true;
  } catch {
    // Not root, or not allowed to: the test below says that it was left out.
  }
  [port = 0] = await freePorts(1);
});
afterAll(async () => {
  await stop();
  if (mounted) execFileSync('umount', ['--lazy', directory]);
  rmSync(directory, { recursive: true, force: true });
});

async function start(): Promise<{ bootstrapToken?: string }> {
  const child = spawn(
    process.execPath,
    [program, '--data-directory', join(directory, 'data'), '--listen-port', String(port)],
    { env: { PATH: process.env['PATH'], HOME: directory }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  server = child;
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${log.slice(-2000)}`)));
    child.stdout?.once('data', (chunk: Buffer) => resolve(JSON.parse(chunk.toString())));
  });
}

async function stop(): Promise<void> {
  const child = server;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

const put = (client: Client, path: string, text: string) =>
  client.secrets.put({ project: 'shop', environment: 'prod', path }, { k: SecretBytes.fromUtf8(text) });

function fillUp(blockBytes: number): void {
  const block = Buffer.alloc(blockBytes, 1);
  for (;;) {
    try {
      appendFileSync(ballast, block);
    } catch {
      return;
    }
  }
}

describe('a full disk', () => {
  it('refuses what it cannot keep, loses nothing it had taken, and goes on when there is room', async ({
    skip,
  }) => {
    if (!mounted) skip('a file system of its own cannot be mounted here');
    const { bootstrapToken } = await start();
    const address = `http://127.0.0.1:${port}`;
    const { issued } = await createClient({ address }).transport.json<{ issued: { token: string } }>(
      'POST',
      '/api/identity/login',
      { body: { token: bootstrapToken, name: 'Ada', email: 'ada@example.com' } },
    );
    const ada = createClient({ address, token: issued.token });
    const kept: string[] = [];
    for (const path of ['a', 'b']) {
      await put(ada, path, `pearl of ${path}`);
      kept.push(path);
    }
    const { token } = await ada.transport.json<{ token: string }>('POST', '/api/secrets/token', { body: {} });
    const v1 = async (headers: Readonly<Record<string, string>> = {}): Promise<string> => {
      const answer = await fetch(`${address}/v1/shop/prod/data/a`, {
        headers: { 'x-vault-token': token, ...headers },
      });
      return `${answer.status} ${await answer.text()}`;
    };
    expect(await v1()).toMatch(/^200 .*pearl of a/);
    const blob = await pushBlob(ada, 'shop/orders', new Uint8Array(1000).fill(7));

    fillUp(1024 * 1024);
    expect(statfsSync(directory).bavail * statfsSync(directory).bsize).toBeLessThan(2 * 1024 * 1024);

    const refused = pushBlob(ada, 'shop/orders', new Uint8Array(8 * 1024 * 1024).fill(9));
    await expect(refused).rejects.toMatchObject({ message: expect.any(String) });
    // Small writes may still fit; each one is taken or refused, and what was taken is remembered.
    let refusals = 0;
    for (let count = 0; count < 200 && refusals < 3; count += 1) {
      try {
        await put(ada, `full/${count}`, 'x'.repeat(60_000));
        kept.push(`full/${count}`);
      } catch {
        refusals += 1;
      }
    }
    expect(refusals).toBe(3);
    // To the last byte: what was read must be written down before it leaves, so reading ends here, too.
    fillUp(4096);
    fillUp(1);
    let answered = 0;
    const reads = async (): Promise<boolean> => {
      try {
        await ada.transport.text('GET', '/api/secrets/shop/prod/data/a');
        answered += 1;
        return true;
      } catch {
        return false;
      }
    };
    let tries = 0;
    while (tries < 200 && (await reads())) tries += 1;
    expect(tries).toBeLessThan(200);
    // Nor by the other interface, wrapped or not: an error, or no answer at all.
    for (const headers of [{}, { 'x-vault-wrap-ttl': '60' }, {}]) {
      const told = await v1(headers).catch(() => '503 no answer');
      expect(told).toMatch(/^50\d /);
      expect(told).not.toMatch(/pearl|hvs\./);
    }

    rmSync(ballast);
    await sleep(500);
    // It may have given up rather than go on with a database that is in doubt: then the next start recovers.
    const ended = server?.exitCode !== null || server?.signalCode !== null;
    if (ended) await start();
    const audit = await ada.transport.json<{ lines: { entry: { type: string } }[] }>('GET', '/api/audit', {
      query: { path: 'shop/prod/data/a', operation: 'read', limit: 1000 },
    });
    expect(audit.lines.filter(({ entry }) => entry.type === 'response').length).toBeGreaterThanOrEqual(
      answered,
    );
    for (const path of kept) {
      const read = await ada.transport.json<{ version: number }>(
        'GET',
        `/api/secrets/shop/prod/data/${path}`,
      );
      expect([path, read.version]).toEqual([path, 1]);
    }
    await put(ada, 'after', 'x');
    const back = await ada.transport.raw('GET', `/v2/shop/orders/blobs/${blob}`);
    expect((await back.arrayBuffer()).byteLength).toBe(1000);
    await pushBlob(ada, 'shop/orders', new Uint8Array(8 * 1024 * 1024).fill(9));
    const lines = await ada.transport.text('POST', '/api/ledger/verify');
    expect(JSON.parse(lines.trim().split('\n').at(-1) ?? '').report.findings).toEqual([]);
    expect(log).not.toContain('x'.repeat(100));
  }, 240_000);
});
