import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const commandMs = 60_000;

/** A foreign program that a test installs and runs in a home of its own. */
export interface Tool {
  /** Undefined when it could not be installed; what is missing was said aloud. */
  readonly program: string | undefined;
  /** Its standard output. Throws with its standard error when it fails or takes longer than a minute. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
  close(): void;
}

type Execute = (program: string, args: readonly string[], timeoutMs: number) => Promise<string>;

/** `install` gets an empty directory and gives the path of the program; any failure there means to skip. */
export async function installTool(
  name: string,
  install: (directory: string, execute: Execute) => Promise<string>,
): Promise<Tool> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-tool-'));
  const program = await install(directory, async (file, args, timeout) => {
    const { stdout } = await execute(file, args, { timeout, killSignal: 'SIGKILL' });
    return stdout.trim();
  }).catch((error: unknown) => {
    console.warn(`skipped: no ${name} (${String(error).split('\n', 1)[0]})`);
    return undefined;
  });
  return {
    program,
    async run(args, env = {}) {
      try {
        // Nothing of a developer's own environment decides what it does.
        const { stdout } = await execute(program ?? name, args, {
          cwd: directory,
          env: { PATH: process.env['PATH'], HOME: directory, ...env },
          timeout: commandMs,
          killSignal: 'SIGKILL',
        });
        return stdout;
      } catch (error) {
        const { stderr = '' } = error as { stderr?: string };
        throw new Error(`${name} ${args[0]}: ${stderr.slice(-4000) || String(error)}`);
      }
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}
