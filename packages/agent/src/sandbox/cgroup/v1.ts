import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Controller, Group, GroupLimits, Groups } from './cgroup.ts';
import {
  children,
  counter,
  killMembers,
  members,
  readControl,
  removeGroup,
  tryControl,
  writeControl,
} from './files.ts';

const periodMicroseconds = 100_000;

export interface V1Options {
  /** Directory of each controller in which we may make groups. */
  readonly hierarchies: Readonly<Partial<Record<Controller, string>>>;
  /** Our own level below it, so that two agents never sweep each other's. */
  readonly name: string;
}

/** Control groups version 1: one hierarchy per controller, the same group name in each. */
export function createV1(options: V1Options): Groups {
  const controllers = Object.keys(options.hierarchies) as readonly Controller[]; // keys of a Record of them
  const base = (controller: Controller): string => join(options.hierarchies[controller] ?? '', options.name);

  return {
    version: 1,
    controllers,
    create(name, limits) {
      const directories = new Map<Controller, string>();
      for (const controller of controllers) {
        const directory = join(base(controller), name);
        mkdirSync(directory, { recursive: true });
        directories.set(controller, directory);
      }
      limit(directories, limits);
      return group(directories);
    },
    sweep() {
      for (const controller of controllers) {
        for (const name of children(base(controller))) {
          const directory = join(base(controller), name);
          tryControl(directory, 'pids.max', 0);
          killMembers(directory);
          try {
            removeGroup(directory);
          } catch {
            // A killed member is not reaped yet; the next start sweeps again.
          }
        }
      }
    },
  };
}

function limit(directories: ReadonlyMap<Controller, string>, limits: GroupLimits): void {
  const memory = directories.get('memory');
  if (memory !== undefined) {
    writeControl(memory, 'memory.limit_in_bytes', limits.memoryBytes);
    // Memory and swap together; otherwise a step swaps its way past the limit. Absent without swap accounting.
    tryControl(memory, 'memory.memsw.limit_in_bytes', limits.memoryBytes);
    tryControl(memory, 'memory.swappiness', 0);
  }
  const pids = directories.get('pids');
  if (pids !== undefined) writeControl(pids, 'pids.max', limits.processes);
  const cpu = directories.get('cpu');
  if (cpu !== undefined) {
    writeControl(cpu, 'cpu.cfs_period_us', periodMicroseconds);
    writeControl(cpu, 'cpu.cfs_quota_us', Math.max(1000, Math.round(limits.cpus * periodMicroseconds)));
  }
}

function group(directories: ReadonlyMap<Controller, string>): Group {
  const all = [...directories.values()];
  const memory = directories.get('memory') ?? '';
  const pids = directories.get('pids') ?? '';
  return {
    add(pid) {
      for (const directory of all) writeControl(directory, 'cgroup.procs', pid);
    },
    usage: () => ({
      peakMemoryBytes: Number(readControl(memory, 'memory.max_usage_in_bytes') ?? 0),
      memoryKills: counter(readControl(memory, 'memory.oom_control'), 'oom_kill'),
      refusedForks: counter(readControl(pids, 'pids.events'), 'max'),
    }),
    kill() {
      // No new members while we kill the present ones.
      if (pids !== '') tryControl(pids, 'pids.max', 0);
      for (const directory of all) killMembers(directory);
    },
    empty: () => all.every((directory) => members(directory).length === 0),
    remove() {
      for (const directory of all) removeGroup(directory);
    },
  };
}
