import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log, type Probe, probe } from '../sandbox/index.ts';
import { clock } from '../session/parts.ts';
import { readFlags } from './arguments.ts';

/** `sally doctor`: tries out what this host can enforce and says how to enable the rest. */
export async function showProbe(argv: readonly string[], log: Log): Promise<number> {
  const { on } = readFlags(argv, [], ['json']);
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-probe-'));
  try {
    const found = await probe({ clock, log, stateDirectory: directory, node: process.execPath });
    process.stdout.write(on.has('json') ? `${JSON.stringify(found)}\n` : render(found));
    return found.usable ? 0 : 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function render({ usable, isolation, lacks }: Probe): string {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ['steps can run', usable ? 'yes, each in a bubblewrap sandbox' : 'no'],
    ['bubblewrap', isolation.version],
    ['namespaces', isolation.namespaces.join(', ') || 'none'],
    ['system call filter', yes(isolation.seccomp)],
    ['no new privileges', yes(isolation.noNewPrivileges)],
    ['capabilities dropped', yes(isolation.capabilitiesDropped)],
    ['nested user namespaces', isolation.nestedUserNamespaces],
    ['memory limit', isolation.memoryLimit],
    ['process limit', isolation.processLimit],
    ['cpu limit', isolation.cpuLimit],
    ['disk limit', isolation.diskLimit],
  ];
  const lines = rows.map(([what, value]) => `${what.padEnd(24)}${value}`);
  for (const lack of lacks) {
    lines.push('', `missing: ${lack.what}`, `  means:  ${lack.consequence}`, `  enable: ${lack.enable}`);
  }
  return `${lines.join('\n')}\n`;
}

const yes = (enforced: boolean): string => (enforced ? 'enforced' : 'not enforced');
