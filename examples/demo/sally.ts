import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Screen } from './terminal.ts';

const program = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One person's command line: their token, their settings, the real program. */
export interface Sally {
  /** Runs a command, shows it as typed with its answer, and demands that it succeeds. */
  run(words: readonly string[], input?: string): Promise<Answer>;
  /** Runs a command that is expected to be refused; gives its answer whatever the exit code is. */
  attempt(words: readonly string[], input?: string): Promise<Answer>;
  /** Runs a command with --json, showing nothing, and gives the parsed data. */
  read<T>(words: readonly string[]): Promise<T>;
  /** Runs a command, showing nothing, and gives what it printed. */
  text(words: readonly string[]): Promise<string>;
}

export function createSally(screen: Screen, env: Readonly<Record<string, string>>): Sally {
  const run = (words: readonly string[], input = ''): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program, ...words], { env: { ...process.env, ...env } });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk.toString('utf8');
      });
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString('utf8');
      });
      child.once('error', reject);
      child.once('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
      child.stdin.end(input);
    });

  async function shown(words: readonly string[], input?: string): Promise<Answer> {
    screen.command(words);
    const answer = await run(words, input);
    screen.answer(answer.stdout + answer.stderr);
    return answer;
  }

  return {
    attempt: shown,
    async run(words, input) {
      const answer = await shown(words, input);
      if (answer.code !== 0)
        throw new Error(`sally ${words.join(' ')} ended with ${answer.code}: ${answer.stderr}`);
      return answer;
    },
    text: async (words) => (await run(words)).stdout,
    async read<T>(words: readonly string[]): Promise<T> {
      const answer = await run([...words, '--json']);
      if (answer.code !== 0)
        throw new Error(`sally ${words.join(' ')} ended with ${answer.code}: ${answer.stderr}`);
      return JSON.parse(answer.stdout) as T; // the demo knows the answers of the commands it runs
    },
  };
}

export interface Up {
  readonly address: string;
  readonly bootstrapToken: string;
  stop(): Promise<void>;
}

/** `sally up` on an empty data directory. */
export async function startUp(
  data: string,
  port: number,
  env: Readonly<Record<string, string>>,
): Promise<Up> {
  const child = spawn(
    process.execPath,
    [program, 'up', '--json', '--data', data, '--listen', `127.0.0.1:${port}`],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ready = await firstLine(child);
  return {
    address: String(ready['address']),
    bootstrapToken: String(ready['bootstrapToken']),
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null) {
          resolve();
          return;
        }
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

function firstLine(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (code) => reject(new Error(`sally up ended with ${code}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const end = text.indexOf('\n');
      if (end !== -1) resolve(JSON.parse(text.slice(0, end)) as Record<string, unknown>); // its own ready line
    });
  });
}
