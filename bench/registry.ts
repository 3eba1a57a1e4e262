import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openRegistryServer, password } from '../tests/interop/registry-server.fixture.ts';

/**
 * Push and pull of a 500 MB layer through the registry's HTTP, a process of its own, against two things: what this disk
 * takes (the same bytes hashed, written and synced by one process), and Debian's docker-registry where it is installed.
 * The growth of the server's memory has a bound that fails the run.
 */
const layerMb = 500;
const chunk = randomBytes(1024 * 1024);
const maxGrowthMb = 100;
const rounds = 3;
const peerProgram = process.env['DOCKER_REGISTRY'] ?? 'docker-registry';

if (process.argv[2] === 'serve') {
  const server = await openRegistryServer('bench');
  process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
  console.log(server.host);
} else await measure();

/** Different bytes each round, or the registry would have them already. */
function* layer(round: number): Generator<Uint8Array> {
  for (let i = 0; i < layerMb; i += 1) {
    chunk.writeUInt32BE(i, 0);
    chunk.writeUInt32BE(round, 4);
    yield new Uint8Array(chunk);
  }
}

async function measure(): Promise<void> {
  const disk = await best(timeDisk);
  console.log(`disk, hash and sync: ${speed(disk)}`);
  const ours = spawn(process.execPath, [fileURLToPath(import.meta.url), 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(ours.stdout, 'data');
    const host = String(line).trim();
    // Asked once, so that what a first request loads is not counted; no layer has been moved yet.
    await fetch(`http://${host}/v2/`);
    const before = memoryMb(ours);
    const { push, pull } = await bestTransfer(host);
    const growth = memoryMb(ours) - before;
    console.log(
      `sallyport: push ${speed(push)} (${(push / disk).toFixed(2)} of the disk alone), pull ${speed(pull)}`,
    );
    console.log(
      `sallyport: the server's memory peaked ${growth.toFixed(0)} MB above what it had (bound ${maxGrowthMb} MB)`,
    );
    if (growth > maxGrowthMb) process.exitCode = 1;
    await compare({ push, pull });
  } finally {
    await ended(ours);
  }
}

async function compare(ours: { push: number; pull: number }): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  const host = '127.0.0.1:7279';
  const config = join(directory, 'config.yml');
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: ${directory}/data}}\nhttp: {addr: ${host}}\n`,
  );
  const peer = spawn(peerProgram, ['serve', config], { stdio: 'ignore' });
  const started = await Promise.race([
    once(peer, 'spawn').then(() => true),
    once(peer, 'error').then(() => false),
  ]);
  try {
    if (!started) {
      console.log('skipped: docker-registry is not installed (apt-get install docker-registry)');
      return;
    }
    for (let tries = 0; tries < 50; tries += 1) {
      if (
        await fetch(`http://${host}/v2/`).then(
          (response) => response.ok,
          () => false,
        )
      )
        break;
      await sleep(100);
    }
    const { push, pull } = await bestTransfer(host);
    console.log(`docker-registry: push ${speed(push)}, pull ${speed(pull)}`);
    console.log(
      `sallyport takes ${(ours.push / push).toFixed(2)} times as long to push and ${(ours.pull / pull).toFixed(2)} to pull`,
    );
  } finally {
    if (started) await ended(peer);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function bestTransfer(host: string): Promise<{ push: number; pull: number }> {
  const times = [];
  for (let round = 1; round <= rounds; round += 1) times.push(await transfer(host, round));
  return {
    push: Math.min(...times.map((each) => each.push)),
    pull: Math.min(...times.map((each) => each.pull)),
  };
}

/** Seconds for one layer up and down again, in one request each as clients do it. */
async function transfer(host: string, round: number): Promise<{ push: number; pull: number }> {
  const hash = createHash('sha256');
  for (const part of layer(round)) hash.update(part);
  const digest = `sha256:${hash.digest('hex')}`;
  const headers = { authorization: `Basic ${Buffer.from(`any:${password}`).toString('base64')}` };
  const at = `http://${host}/v2/bench/layer/blobs`;
  const began = performance.now();
  const start = await fetch(`${at}/uploads/`, { method: 'POST', headers });
  const place = new URL(start.headers.get('location') ?? '', at);
  place.searchParams.set('digest', digest);
  const pushed = await fetch(place, {
    method: 'PUT',
    headers: { ...headers, 'content-length': String(layerMb * chunk.length) },
    body: ReadableStream.from(layer(round)),
    duplex: 'half',
  });
  if (pushed.status !== 201) throw new Error(`expected 201, got ${pushed.status}: ${await pushed.text()}`);
  const middle = performance.now();
  const pulled = await fetch(`${at}/${digest}`, { headers });
  let size = 0;
  for await (const part of pulled.body ?? []) size += part.length;
  if (size !== layerMb * chunk.length) throw new Error(`expected the whole layer, got ${size} bytes`);
  const end = performance.now();
  return { push: (middle - began) / 1000, pull: (end - middle) / 1000 };
}

async function timeDisk(round: number): Promise<number> {
  const path = join(tmpdir(), `sallyport-bench-${process.pid}`);
  const began = performance.now();
  const handle = await open(path, 'w');
  const hash = createHash('sha256');
  for (const part of layer(round)) {
    hash.update(part);
    await handle.write(part);
  }
  hash.digest();
  await handle.sync();
  await handle.close();
  const seconds = (performance.now() - began) / 1000;
  await rm(path);
  return seconds;
}

async function best(work: (round: number) => Promise<number>): Promise<number> {
  const times = [];
  for (let round = 1; round <= rounds; round += 1) times.push(await work(round));
  return Math.min(...times);
}

/** The most a process ever held, in MB. */
function memoryMb(process: ChildProcess): number {
  const status = readFileSync(`/proc/${process.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

function speed(seconds: number): string {
  return `${(layerMb / seconds).toFixed(0)} MB/s`;
}
