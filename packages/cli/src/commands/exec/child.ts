import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';

/** How a program ended. */
export interface Ended {
  /** As a shell says it: its exit code, or 128 and the number of the signal; 127 and 126 when it was never there. */
  readonly code: number;
  /** Why it could not be started. */
  readonly failure?: string;
}

export interface Child {
  readonly ended: Promise<Ended>;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after the grace. */
  stop(graceMs: number): Promise<Ended>;
}

/** Starts a program on our own standard input, output and error. */
export function startChild(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Child {
  const child = spawn(command, args, { stdio: 'inherit', env: { ...env } });
  const ended = endOf(child, command);
  return {
    ended,
    signal: (signal) => void child.kill(signal),
    async stop(graceMs) {
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
      const result = await ended;
      clearTimeout(force);
      return result;
    },
  };
}

const endOf = (child: ChildProcess, command: string): Promise<Ended> =>
  new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT';
      const failure = `expected to start ${command}, could not: ${error.code ?? error.message}`;
      resolve({ code: missing ? 127 : 126, failure });
    });
    child.once('exit', (code, signal) => {
      resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
    });
  });
