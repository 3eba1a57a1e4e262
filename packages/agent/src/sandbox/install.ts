import { spawn } from 'node:child_process';
import { Fault } from '@sallyport/formats';
import { findProgram } from './features.ts';
import type { Log } from './model.ts';

/** Package managers in the order they are looked for, with what each is told. The package has one name everywhere. */
const managers: ReadonlyArray<readonly [program: string, ...args: string[]]> = [
  ['apt-get', 'install', '--yes', '--no-install-recommends', 'bubblewrap'],
  ['dnf', 'install', '--assumeyes', 'bubblewrap'],
  ['apk', 'add', 'bubblewrap'],
  ['pacman', '--sync', '--noconfirm', 'bubblewrap'],
  ['zypper', '--non-interactive', 'install', 'bubblewrap'],
];

/** What the installer needs to know of a host; real by default. */
export interface InstallHost {
  readonly isRoot: boolean;
  find(program: string): string | undefined;
  /** Runs to its end, says whether it succeeded; what it prints is passed to `line`. */
  run(command: readonly string[], line: (text: string) => void): Promise<boolean>;
}

const realHost: InstallHost = {
  isRoot: process.geteuid?.() === 0,
  find: findProgram,
  run,
};

/** The line a person would type, or undefined where no known package manager is. */
export function installCommand(host: InstallHost = realHost): string | undefined {
  const command = managerCommand(host);
  if (command === undefined) return undefined;
  return `${host.isRoot ? '' : 'sudo '}${command.join(' ')}`;
}

function managerCommand(host: InstallHost): readonly string[] | undefined {
  return managers.find(([program]) => host.find(program) !== undefined);
}

/**
 * Makes sure bubblewrap is there. Installs it when that needs no question (root, or sudo without a password);
 * otherwise throws a Fault whose hint is the one line to run. There is no way to go on without it.
 */
export async function ensureBubblewrap(
  log: Log,
  host: InstallHost = realHost,
): Promise<{ readonly installed: boolean }> {
  if (host.find('bwrap') !== undefined) return { installed: false };
  const command = managerCommand(host);
  const line = installCommand(host);
  if (command === undefined || line === undefined) {
    throw missing('no package manager that is known was found', 'install the package bubblewrap');
  }

  const sudo = host.isRoot ? undefined : host.find('sudo');
  const ignore = (): void => undefined;
  const may = host.isRoot || (sudo !== undefined && (await host.run([sudo, '-n', 'true'], ignore)));
  if (!may) throw missing('installing it needs root', line);

  const prefix = sudo === undefined ? [] : [sudo, '-n'];
  log.info({ command: line }, 'installing bubblewrap, which isolates every step');
  const print = (text: string): void => log.debug({ text }, 'package manager');
  let done = await host.run([...prefix, ...command], print);
  if (!done && command[0] === 'apt-get') {
    // A fresh machine or container has no package lists yet.
    await host.run([...prefix, 'apt-get', 'update'], print);
    done = await host.run([...prefix, ...command], print);
  }
  if (!done || host.find('bwrap') === undefined)
    throw missing('the package manager could not install it', line);
  return { installed: true };
}

function missing(why: string, line: string): Fault {
  return new Fault(
    'precondition',
    'sandbox.bubblewrap_missing',
    `expected bubblewrap (bwrap), found none; ${why}`,
    {
      hint: `run: ${line}`,
    },
  );
}

async function run(
  [program = '', ...args]: readonly string[],
  line: (text: string) => void,
): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => line(chunk.toString('utf8')));
    child.on('error', () => resolve(false));
    child.on('close', (code) => resolve(code === 0));
  });
}
