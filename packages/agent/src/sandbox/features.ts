import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { promisify } from 'node:util';
import { Fault } from '@sallyport/formats';

const run = promisify(execFile);

/** What the installed bubblewrap can do; older ones lack some options. */
export interface Features {
  readonly bwrap: string;
  readonly version: string;
  readonly disableUserns: boolean;
  readonly size: boolean;
}

/** Only these directories: a `bwrap` from a PATH that others may write to is no sandbox. */
const programDirectories = [
  '/usr/bin',
  '/bin',
  '/usr/sbin',
  '/sbin',
  '/usr/local/bin',
  '/run/current-system/sw/bin',
];

export function findProgram(name: string): string | undefined {
  for (const directory of programDirectories) {
    try {
      accessSync(`${directory}/${name}`, constants.X_OK);
      return `${directory}/${name}`;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

const needed = [
  '--args',
  '--seccomp',
  '--json-status-fd',
  '--block-fd',
  '--perms',
  '--cap-drop',
  '--die-with-parent',
];

export async function findFeatures(): Promise<Features> {
  const bwrap = findProgram('bwrap');
  if (bwrap === undefined) {
    throw new Fault('precondition', 'sandbox.bubblewrap_missing', 'expected bubblewrap (bwrap), found none', {
      hint: 'install the package bubblewrap, or run `sally doctor`',
    });
  }
  const [version, help] = await Promise.all([
    run(bwrap, ['--version'], { env: {} }),
    run(bwrap, ['--help'], { env: {} }),
  ]);
  const options = `${help.stdout}${help.stderr}`;
  const has = (option: string): boolean => new RegExp(`^\\s+${option}\\s`, 'm').test(options);
  const missing = needed.filter((option) => !has(option));
  if (missing.length > 0) {
    throw new Fault('precondition', 'sandbox.bubblewrap_old', `bubblewrap lacks ${missing.join(', ')}`, {
      hint: 'install bubblewrap 0.8 or later',
    });
  }
  return {
    bwrap,
    version: version.stdout.trim().replace(/^bubblewrap /, ''),
    disableUserns: has('--disable-userns'),
    size: has('--size'),
  };
}
