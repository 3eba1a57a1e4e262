import { type ChildProcess, fork, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Job, Result } from './load.ts';

/** The server under test, started as it is in production: by its own program, with the flags that it names itself. */
export interface RunningServer {
  readonly port: number;
  readonly pid: number;
  /** Until it said that it is ready. */
  readonly startMs: number;
  stop(): Promise<void>;
}

const bin = fileURLToPath(new URL('../../packages/server/bin/sallyport-server.mjs', import.meta.url));

export async function startServer(
  directory: string,
  env: NodeJS.ProcessEnv,
  nodeFlags: readonly string[],
): Promise<RunningServer> {
  const args = ['--dev', '--data-directory', `${directory}/data`, '--listen-port', '0'];
  const log = openSync(`${directory}/server.log`, 'a');
  const began = performance.now();
  // Other flags than its own only to look inside: a profile.
  const child =
    nodeFlags.length === 0
      ? spawn(bin, args, { env, stdio: ['ignore', 'pipe', log] })
      : spawn(process.execPath, [...nodeFlags, bin, ...args], { env, stdio: ['ignore', 'pipe', log] });
  closeSync(log);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout as NonNullable<typeof child.stdout>).once('line', resolve);
    child.once('exit', () => reject(new Error(`the server ended too soon, see ${directory}/server.log`)));
  });
  return {
    port: Number(new URL(String((JSON.parse(line) as { address: string }).address)).port),
    pid: child.pid ?? 0,
    startMs: performance.now() - began,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** User and system time so far, of all threads and of the main one: proc(5), stat, fields 14 and 15, in 10 ms. */
export function cpuMs(pid: number): { readonly all: number; readonly main: number } {
  const of = (file: string): number => {
    const fields = readFileSync(file, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  return { all: of(`/proc/${pid}/stat`), main: of(`/proc/${pid}/task/${pid}/stat`) };
}

export function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
}

export interface LoadGenerator {
  run(job: Job): Promise<Result>;
  stop(): void;
}

export function startLoadGenerator(): LoadGenerator {
  const child: ChildProcess = fork(fileURLToPath(new URL('load.ts', import.meta.url)));
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        const onExit = (): void => reject(new Error('the load generator ended'));
        child.once('exit', onExit);
        child.once('message', (result: Result) => {
          child.off('exit', onExit);
          resolve(result);
        });
        child.send(job);
      }),
    stop: () => child.disconnect(),
  };
}
