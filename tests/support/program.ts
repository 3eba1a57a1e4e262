import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** One of the real programs, as its own process: it can be killed as a power cut would, and started again. */
export interface Program {
  readonly name: string;
  /** The first line it printed when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  pid(): number;
  /** SIGKILL, and resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and resolves when it has ended by itself. */
  stop(): Promise<void>;
  /** Starts it with the same arguments, and resolves when it is ready. */
  start(): Promise<void>;
  /** What it logged so far, over all its starts. */
  log(): string;
}

export const serverProgram = fileURLToPath(new URL('../../packages/server/src/main.ts', import.meta.url));
const startMs = 60_000;

export function program(
  name: string,
  entry: string,
  logFile: string,
  env: NodeJS.ProcessEnv,
  args: readonly string[],
  nodeFlags: readonly string[] = [],
): Program {
  let child: ChildProcess | undefined;
  let ready: Readonly<Record<string, unknown>> = {};
  const log = (): string => readFileSync(logFile, 'utf8');
  const gone = async (signal: NodeJS.Signals): Promise<void> => {
    const process = child;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => process.once('exit', () => resolve()));
    process.kill(signal);
    await ended;
  };
  return {
    name,
    get ready() {
      return ready;
    },
    pid: () => child?.pid ?? 0,
    kill: () => gone('SIGKILL'),
    stop: () => gone('SIGTERM'),
    log,
    async start() {
      const output = openSync(logFile, 'a');
      const started = spawn(process.execPath, [...nodeFlags, entry, ...args], {
        env,
        stdio: ['ignore', 'pipe', output],
      });
      closeSync(output);
      child = started;
      const late = new AbortController();
      ready = await Promise.race([
        firstLine(started, name, log).finally(() => late.abort()),
        sleep(startMs, undefined, { signal: late.signal }).then(() => {
          throw new Error(`the ${name} was not ready after ${startMs} ms:\n${log().slice(-4000)}`);
        }),
      ]);
    },
  };
}

function firstLine(
  child: ChildProcess,
  name: string,
  log: () => string,
): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (code, signal) =>
      reject(
        new Error(`the ${name} ended with ${signal ?? code} before it was ready:\n${log().slice(-4000)}`),
      ),
    );
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const end = text.indexOf('\n');
      if (end !== -1) resolve(JSON.parse(text.slice(0, end)) as Record<string, unknown>); // its own ready line
    });
  });
}

/** Only what the programs need: a developer's own settings must not decide a test. */
export function cleanEnvironment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LANG'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), ...more };
}
