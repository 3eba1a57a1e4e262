import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log, SandboxResult, SandboxSpec } from '../model.ts';
import { createSandbox, type Running, type Sandbox, type SandboxDeps, sandboxId } from '../sandbox.ts';

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export interface Bench {
  readonly directory: string;
  readonly sandbox: Sandbox;
  /** A fresh empty workspace. */
  workspace(): string;
  start(script: string, spec?: Partial<SandboxSpec>): Promise<Running>;
  /** Runs a shell script to its end and gives all it printed. */
  run(script: string, spec?: Partial<SandboxSpec>): Promise<SandboxResult & { readonly output: string }>;
  close(): void;
}

/** A real sandbox on a directory of its own. The directory is private, as the agent's is. */
export async function openBench(deps: Partial<SandboxDeps> = {}): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-sandbox-'));
  const sandbox = await createSandbox({
    stateDirectory: join(directory, 'state'),
    node: process.execPath,
    clock: { now: () => new Date() },
    log: silentLog,
    ...deps,
  });
  let count = 0;
  const workspace = (): string => {
    count += 1;
    const path = join(directory, `workspace-${count}`);
    mkdirSync(path, { mode: 0o700 });
    return path;
  };
  const start = (script: string, spec: Partial<SandboxSpec> = {}): Promise<Running> =>
    sandbox.start({
      id: sandboxId('test'),
      root: { kind: 'host' },
      command: ['/bin/sh', '-c', script],
      timeoutSeconds: 20,
      ...spec,
    });
  return {
    directory,
    sandbox,
    workspace,
    start,
    async run(script, spec) {
      const running = await start(script, spec);
      const chunks: Uint8Array[] = [];
      for await (const chunk of running.output) chunks.push(chunk);
      return { ...(await running.finished), output: Buffer.concat(chunks).toString('utf8') };
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Perl, for system calls that no shell command makes: prints the result and the error's number. */
export function perlSyscall(number: number, ...args: readonly (number | string)[]): string {
  return `perl -e '$! = 0; my $r = syscall(${[number, ...args].join(', ')}); printf "%d %d\\n", $r, $!+0;'`;
}
