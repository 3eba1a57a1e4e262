import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Fault } from '@sallyport/formats';
import type { Invocation } from './command.ts';

/**
 * Server and agent are programs of their own: the command line starts them and never imports them, so that the process
 * that holds keys and the one that runs build code stay apart even on a laptop.
 */
export type Program = 'server' | 'agent';

const entries: Readonly<Record<Program, string>> = {
  server: import.meta.resolve('@sallyport/server/main'),
  agent: import.meta.resolve('@sallyport/agent/main'),
};

/**
 * As in the first lines of the programs: a young generation no larger than pays, and one thread that compiles beside us.
 * Measured with bench/memory.ts: 40 MB less of a server that nobody uses.
 */
const nodeFlags: Readonly<Record<Program, readonly string[]>> = {
  server: ['--max-semi-space-size=16', '--v8-pool-size=1'],
  agent: ['--max-semi-space-size=1', '--v8-pool-size=1'],
};

/** Also as there: how much freed memory glibc keeps, in bytes. Other libraries do not know the name. */
const environments: Readonly<Record<Program, Readonly<Record<string, string>>>> = {
  server: { MALLOC_TRIM_THRESHOLD_: '1048576' },
  agent: {},
};

function commandLine(program: Program, args: readonly string[]): readonly string[] {
  return [...nodeFlags[program], fileURLToPath(entries[program]), ...args];
}

/** Starts a program; its standard output comes back to us, its talk goes to `stderr`. */
export function startProgram(
  program: Program,
  args: readonly string[],
  stderr: 'inherit' | number,
): ChildProcess {
  return spawn(process.execPath, commandLine(program, args), {
    env: { ...process.env, ...environments[program] },
    stdio: ['ignore', 'pipe', stderr],
    // A group of its own: Ctrl-C reaches only us, and we stop the agent before the server.
    detached: true,
  });
}

/**
 * Runs a program to its end and returns its exit code: its data becomes ours, its talk keeps its words but says who
 * the user called. On Ctrl-C it is asked to stop, and the command line waits for it.
 */
export async function runProgram(
  { out, whenInterrupted }: Pick<Invocation, 'out' | 'whenInterrupted'>,
  program: Program,
  args: readonly string[],
): Promise<number> {
  const child = spawn(process.execPath, commandLine(program, args), {
    env: { ...process.env, ...environments[program] },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  whenInterrupted(async () => {
    child.kill('SIGINT');
    await ended;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    out.quote(inOurName(chunk.toString('utf8')));
  });
  for await (const chunk of child.stdout) await out.bytes(chunk);
  return ended;
}

/** Whoever typed `sally` did not call a server or an agent by name. */
export const inOurName = (text: string): string => text.replace(/^sallyport-(server|agent): /gm, 'sally: ');

/** The first line a program prints on standard output is one JSON object that says it is ready. */
export async function readyLine(
  child: ChildProcess,
  name: Program,
): Promise<Readonly<Record<string, unknown>>> {
  const stdout = child.stdout;
  if (stdout === null) throw new Fault('internal', 'cli.no_pipe', `the ${name} was started without a pipe`);
  return new Promise((resolve, reject) => {
    let text = '';
    const ended = (code: number | null): void => {
      reject(
        new Fault(
          'unavailable',
          'cli.not_started',
          `the ${name} ended before it was ready, with status ${code}`,
          {
            hint: 'its own message stands above; sally config shows what it was started with',
          },
        ),
      );
    };
    child.once('exit', ended);
    stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const end = text.indexOf('\n');
      if (end === -1) return;
      child.off('exit', ended);
      stdout.resume();
      try {
        const parsed: unknown = JSON.parse(text.slice(0, end));
        resolve(typeof parsed === 'object' && parsed !== null ? { ...parsed } : {});
      } catch (cause) {
        reject(
          new Fault('internal', 'cli.bad_ready_line', `the ${name} did not say that it is ready`, { cause }),
        );
      }
    });
  });
}

/** Asks a program to stop (SIGTERM), waits, and ends it by force after `graceMs`. */
export async function stopProgram(child: ChildProcess, graceMs = 10_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await ended;
  clearTimeout(force);
}
