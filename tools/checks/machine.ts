import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import type { Check } from './tree.ts';

/** Names that belong to one machine: where packages come from, and where the work tree lies. */
export interface MachineNames {
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
}

/**
 * A registry host or a path of the machine it was written on makes the repository work there only, and tells strangers
 * about that machine.
 */
export function machineNames({ hosts, paths }: MachineNames): Check {
  return ({ files, read }) =>
    files.flatMap((path) => {
      const text = read(path);
      if (text.includes('\0')) return [];
      return [
        ...hosts
          .filter((host) => text.includes(host))
          .map((host) => `${path}: names the package registry '${host}'`),
        ...paths
          .filter((each) => text.includes(each))
          .map((each) => `${path}: has the machine path '${each}'`),
      ];
    });
}

// Parents every machine has; a document may well speak of them.
const everywhere = new Set(['/', '/tmp', '/home', '/root', '/usr', '/srv', '/opt', '/var', '/mnt', '/Users']);

export function thisMachine(root: string): MachineNames {
  const registries = [run('npm', ['config', 'get', 'registry'], root), process.env['GOPROXY'] ?? ''];
  const hosts = registries
    .flatMap((text) => text.split(/[,|\s]+/))
    .map((text) => URL.parse(text)?.hostname ?? '')
    .filter((host) => host !== '' && host !== 'localhost' && !host.startsWith('127.'));
  const paths = [`${root}/`, dirname(root), homedir()]
    .filter((path) => !everywhere.has(path.replace(/\/$/, '')))
    .map((path) => (path.endsWith('/') ? path : `${path}/`));
  return { hosts: [...new Set(hosts)], paths: [...new Set(paths)] };
}

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, [...args], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    // Without npm there is no registry to give away.
    return '';
  }
}
