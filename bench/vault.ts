/**
 * Vault's API under load, each line durably audited: requests per second, latency, and what a request costs the server's
 * processor, which is the figure to compare on a machine that is doing something else too. Then the start and the memory
 * of a server with many secrets, written through the API.
 *
 *   node bench/vault.ts [seconds per line] [secrets to fill in, 0 for none] [lines, by name and with commas]
 *
 * `PEER_ADDRESS` (http, on this machine), `PEER_TOKEN` (root) and `PEER_PID` name another server with Vault's API, empty
 * and unsealed, which gets the same requests; a ratio above 1 is ours. `NODE_FLAGS` starts our server with other flags.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from './vault/load.ts';
import { prepare } from './vault/prepare.ts';
import type { LoadName, Target } from './vault/requests.ts';
import { cpuMs, residentMb, startLoadGenerator, startServer } from './vault/running.ts';

const seconds = Number(process.argv[2] ?? 5);
const filled = Number(process.argv[3] ?? 100_000);
const connections = 32;
const filledTokens = filled / 10;

const lines: ReadonlyArray<readonly [LoadName, string]> = [
  ['read', 'KV v2 read'],
  ['write', 'KV v2 write'],
  ['mixed', 'KV v2, 90 % read, 10 % write'],
  ['list', 'KV v2 list of 100 names'],
  ['login', 'AppRole login'],
  ['createToken', 'token create'],
  ['encrypt', 'transit encrypt, AES-256-GCM, 32 bytes'],
  ['signEd25519', 'transit sign, Ed25519'],
  ['signRsa', 'transit sign, RSA-2048'],
];
const wanted = process.argv[4]?.split(',') ?? lines.map(([name]) => name);

interface Measured extends Result {
  readonly perSecond: number;
  /** Microseconds of processor for one request. */
  readonly cpu: number;
  readonly mainCpu: number;
}

const rootToken = 'root-token-of-the-benchmark';
const root = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
const directory = join(root, 'lines');
const env = {
  ...process.env,
  PATH: [dirname(process.execPath), process.env['PATH']].join(':'),
  SALLYPORT_DEV_ROOT_TOKEN: rootToken,
};
const nodeFlags = process.env['NODE_FLAGS']?.split(' ').filter((flag) => flag !== '') ?? [];
const generator = startLoadGenerator();
await mkdir(directory);
let server = await startServer(directory, env, nodeFlags);
try {
  console.log(`${connections} connections, ${seconds} s a line\n`);
  const target = await prepare(`http://127.0.0.1:${server.port}`, rootToken);
  const peer = await peerTarget();
  for (const [name, title] of lines.filter(([each]) => wanted.includes(each))) {
    const ours = await measure(name, target, server.pid);
    print(title, ours);
    if (peer === undefined) continue;
    const theirs = await measure(name, peer.target, peer.pid);
    print('  peer', theirs);
    console.log(`  ratio ${(ours.perSecond / theirs.perSecond).toFixed(2)}`);
  }
  if (filled > 0) await fill();
} finally {
  generator.stop();
  await server.stop();
  await rm(root, { recursive: true, force: true });
}

async function peerTarget(): Promise<{ readonly target: Target; readonly pid: number } | undefined> {
  const { PEER_ADDRESS: address, PEER_TOKEN: token = '', PEER_PID: pid = '' } = process.env;
  if (address === undefined) return undefined;
  return { target: await prepare(address, token), pid: Number(pid) };
}

async function measure(load: LoadName, target: Target, pid: number): Promise<Measured> {
  // Code is compiled, caches are filled, connections of before are gone.
  await generator.run({ load, target, connections, seconds: Math.min(2, seconds) });
  const before = cpuMs(pid);
  const result = await generator.run({ load, target, connections, seconds });
  const after = cpuMs(pid);
  if (result.errors > 0) throw new Error(`${load}: ${result.errors} errors, first ${result.firstError}`);
  const perRequest = (one: number, other: number): number => ((other - one) * 1000) / result.answered;
  return {
    ...result,
    perSecond: result.answered / result.seconds,
    cpu: perRequest(before.all, after.all),
    mainCpu: perRequest(before.main, after.main),
  };
}

function print(title: string, { perSecond, p50Ms, p99Ms, cpu, mainCpu }: Measured): void {
  console.log(
    `${title.padEnd(40)} ${perSecond.toFixed(0).padStart(6)}/s   p50 ${p50Ms.toFixed(1)} ms  p99 ${p99Ms.toFixed(1)} ms   ` +
      `processor ${cpu.toFixed(0)} µs a request, ${mainCpu.toFixed(0)} of them in the main thread`,
  );
}

/** On a server of its own: the lines before left another 100,000 tokens. */
async function fill(): Promise<void> {
  await server.stop();
  const directory = join(root, 'filled');
  await mkdir(directory);
  server = await startServer(directory, env, nodeFlags);
  const target = await prepare(`http://127.0.0.1:${server.port}`, rootToken);
  console.log(`\n${filled} secrets of three values and ${filledTokens} tokens, written through the API`);
  for (const [load, count] of [
    ['fill', filled],
    ['fillTokens', filledTokens],
  ] as const) {
    const result = await generator.run({ load, target, connections, count });
    if (result.errors > 0) throw new Error(`${load}: ${result.errors} errors, first ${result.firstError}`);
    console.log(
      `  ${load}: ${(result.answered / result.seconds).toFixed(0)}/s, then resident ${residentMb(server.pid).toFixed(0)} MB`,
    );
  }
  await server.stop();
  server = await startServer(directory, env, nodeFlags);
  const started = cpuMs(server.pid);
  const early = residentMb(server.pid);
  await sleep(10_000);
  console.log(
    `  start ${server.startMs.toFixed(0)} ms (processor ${started.all.toFixed(0)} ms), resident ${early.toFixed(0)} MB, after 10 s ${residentMb(server.pid).toFixed(0)} MB`,
  );
  await measure('read', { ...target, port: server.port }, server.pid);
  console.log(`  after ${seconds} s of reads ${residentMb(server.pid).toFixed(0)} MB`);
}
