import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/**
 * What the programs cost when nobody uses them: resident memory after some seconds of rest, the time until they are
 * ready and the processor time that took (the figure to compare on a machine that is doing something else too). Run
 * with `npm run bench:memory`; with DATABASE_URL (an empty database) the server on PostgreSQL is measured as well.
 */
const restSeconds = Number(process.argv[2] ?? 10);
const directory = mkdtempSync(join(tmpdir(), 'sallyport-memory-'));
const bin = (name: string): string => fileURLToPath(new URL(`../packages/${name}`, import.meta.url));
const { DATABASE_URL: databaseUrl, ...rest } = process.env;
// The programs name their Node and its flags themselves.
const env = { ...rest, PATH: [dirname(process.execPath), rest['PATH']].join(delimiter) };

interface Running {
  readonly ready: Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

async function start(name: string, program: string, args: readonly string[], more = {}): Promise<Running> {
  const began = performance.now();
  const child = spawn(bin(program), args, { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('exit', () => reject(new Error(`${name} ended too soon`)));
  });
  const wall = performance.now() - began;
  const pid = child.pid ?? 0;
  const starting = cpuMs(pid);
  const early = residentMb(pid);
  await sleep(restSeconds * 1000);
  const idle = ((cpuMs(pid) - starting) / (restSeconds * 1000)) * 100;
  console.log(
    `${name.padEnd(28)} ready ${ms(wall)} (processor ${ms(starting)})   resident ${mb(early)}, at rest ${mb(residentMb(pid))}   idle ${idle.toFixed(1)} % of a core`,
  );
  return {
    ready: JSON.parse(line),
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** User and system time of a process so far: proc(5), stat, fields 14 and 15, in hundredths of a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
}

const ms = (value: number): string => `${value.toFixed(0)} ms`.padStart(8);
const mb = (value: number): string => `${value.toFixed(0)} MB`.padStart(6);

/** The median of some starts of `sally`, which must not be felt. */
function commandLine(name: string, args: readonly string[]): void {
  const walls: number[] = [];
  for (let round = 0; round < 11; round += 1) {
    const began = performance.now();
    spawnSync(bin('cli/bin/sally.mjs'), args, { env, stdio: 'ignore' });
    walls.push(performance.now() - began);
  }
  walls.sort((a, b) => a - b);
  console.log(`${name.padEnd(28)} median ${ms(walls[5] ?? 0)}   fastest ${ms(walls[0] ?? 0)}`);
}

async function server(name: string, data: string, more = {}): Promise<Running> {
  const args = ['--local-agent', '--data-directory', join(directory, data), '--listen-port', '0'];
  return start(name, 'server/bin/sallyport-server.mjs', args, more);
}

try {
  commandLine('sally --help', ['--help']);
  await (await server('server, first start', 'embedded')).stop();
  const second = await server('server, later start', 'embedded');
  const agent = await start('agent', 'agent/bin/sallyport-agent.mjs', [
    'run',
    '--address',
    String(second.ready['address']),
    '--token-file',
    join(directory, 'embedded', 'agent-token'),
    '--data',
    join(directory, 'agent'),
  ]);
  await agent.stop();
  await second.stop();
  if (databaseUrl !== undefined)
    await (await server('server on PostgreSQL', 'external', { DATABASE_URL: databaseUrl })).stop();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
