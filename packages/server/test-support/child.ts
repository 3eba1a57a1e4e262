import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Child {
  readonly pid: number;
  /** Lines of standard output so far. */
  readonly lines: readonly string[];
  /** Resolves when a line that starts with `text` came; rejects when the process ends before. */
  said(text: string): Promise<string>;
  kill(signal: NodeJS.Signals): Promise<void>;
  readonly exited: Promise<number | null>;
}

/** Starts one of our own programs (a path below packages/server) under this Node, for tests that kill it. */
export function startChild(program: string, args: readonly string[], wrapper: readonly string[] = []): Child {
  const path = fileURLToPath(new URL(`../${program}`, import.meta.url));
  const [command = process.execPath, ...before] = [...wrapper, process.execPath, path, ...args];
  const child: ChildProcess = spawn(command, before, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  if (child.stdout !== null)
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line);
      tell();
    });
  let ended = false;
  const exited = once(child, 'close').then(([code]: (number | null)[]) => {
    ended = true;
    tell();
    return code ?? null;
  });
  return {
    pid: child.pid ?? 0,
    lines,
    exited,
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const line = lines.find((each) => each.startsWith(text));
          if (line !== undefined) resolve(line);
          else if (ended) reject(new Error(`the process ended without saying '${text}'`));
          else return;
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
    kill: async (signal) => {
      child.kill(signal);
      await exited;
    },
  };
}
