import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isFault } from '@sallyport/formats';
import type { Printer } from './printer.ts';
import { inOurName, type Program, readyLine, startProgram, stopProgram } from './programs.ts';

/**
 * The programs that one command line keeps running. They live and end together: on Ctrl-C, when one of them dies, and
 * when one does not come up. The last one started is stopped first, so that an agent hands its work back while there
 * is still a server to hand it to.
 */
export interface Household {
  /** Starts a program and resolves with its ready line; undefined when it was interrupted meanwhile. */
  start(program: Program, args: readonly string[]): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Waits for the end and returns the exit code: 0 when it was asked for. */
  untilStopped(): Promise<number>;
  /** Stops what runs; for when something else went wrong. */
  stop(): Promise<void>;
}

const tailLines = 12;

/**
 * Without `logDirectory` the programs log on our own standard error. SIGHUP ends everything, as a terminal that closes
 * means it to, unless it is passed on: to a service it says that files have to be opened again.
 */
export function createHousehold(
  out: Printer,
  logDirectory: string | undefined,
  onHangUp: 'stop' | 'pass on' = 'stop',
): Household {
  const running: { readonly program: Program; readonly child: ChildProcess }[] = [];
  const asked = new Promise<'asked'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve('asked'));
    process.on('SIGHUP', () => {
      if (onHangUp === 'stop') resolve('asked');
      else for (const { child } of running) child.kill('SIGHUP');
    });
  });

  async function stop(): Promise<void> {
    const done = out.progress('stopping');
    for (const { child } of running.splice(0).reverse()) await stopProgram(child);
    done();
  }

  return {
    stop,
    async start(program, args) {
      const log = logDirectory === undefined ? undefined : openLog(logDirectory, program);
      const child = startProgram(program, args, log === undefined ? 'inherit' : log.descriptor);
      if (log !== undefined) closeSync(log.descriptor);
      running.push({ program, child });
      try {
        const ready = await Promise.race([asked, readyLine(child, program)]);
        return ready === 'asked' ? undefined : ready;
      } catch (error) {
        if (log !== undefined && isFault(error)) quoteTail(out, log);
        throw error;
      }
    },
    async untilStopped() {
      const why = await Promise.race([asked, ...running.map(({ program, child }) => death(program, child))]);
      if (why !== 'asked') out.warn(why);
      await stop();
      out.note('stopped');
      return why === 'asked' ? 0 : 1;
    },
  };
}

function death(program: Program, child: ChildProcess): Promise<string> {
  const text = (code: number | null, signal: NodeJS.Signals | null): string =>
    `the ${program} ended unexpectedly with ${signal ?? `status ${code}`}`;
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve(text(child.exitCode, child.signalCode));
  }
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(text(code, signal)));
  });
}

interface OpenLog {
  readonly file: string;
  readonly descriptor: number;
  /** What stood in it before this start. */
  readonly offset: number;
}

function openLog(directory: string, program: Program): OpenLog {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, `${program}.log`);
  const descriptor = openSync(file, 'a', 0o600);
  return { file, descriptor, offset: statSync(file).size };
}

/** Why it did not come up stands in its log, where nobody would look first. */
function quoteTail(out: Printer, { file, offset }: OpenLog): void {
  const text = readFileSync(file).subarray(offset).toString('utf8').trimEnd();
  if (text === '') return;
  out.quote(`${inOurName(text.split('\n').slice(-tailLines).join('\n'))}\n`);
  out.note(`all of it is in ${file}`);
}
