import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Controller, Group, Groups } from './cgroup.ts';
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

export interface V2Options {
  /** A directory we may make groups in, whose `cgroup.subtree_control` holds `controllers`. */
  readonly directory: string;
  readonly controllers: readonly Controller[];
}

/** Control groups version 2 (Documentation/admin-guide/cgroup-v2.rst): one tree, all controllers in it. */
export function createV2(options: V2Options): Groups {
  const { directory: base, controllers } = options;
  return {
    version: 2,
    controllers,
    create(name, limits) {
      const directory = join(base, name);
      mkdirSync(directory, { recursive: true });
      if (controllers.includes('memory')) {
        writeControl(directory, 'memory.max', limits.memoryBytes);
        tryControl(directory, 'memory.swap.max', 0);
        // One process over the limit ends the step: half a build that goes on is worse than none.
        tryControl(directory, 'memory.oom.group', 1);
      }
      if (controllers.includes('pids')) writeControl(directory, 'pids.max', limits.processes);
      if (controllers.includes('cpu')) {
        const quota = Math.max(1000, Math.round(limits.cpus * periodMicroseconds));
        writeControl(directory, 'cpu.max', `${quota} ${periodMicroseconds}`);
      }
      return group(directory);
    },
    sweep() {
      for (const name of children(base)) {
        const left = group(join(base, name));
        left.kill();
        try {
          left.remove();
        } catch {
          // A killed member is not reaped yet; the next start sweeps again.
        }
      }
    },
  };
}

function group(directory: string): Group {
  return {
    add(pid) {
      writeControl(directory, 'cgroup.procs', pid);
    },
    usage: () => ({
      peakMemoryBytes: Number(readControl(directory, 'memory.peak') ?? 0),
      memoryKills: counter(readControl(directory, 'memory.events'), 'oom_kill'),
      refusedForks: counter(readControl(directory, 'pids.events'), 'max'),
    }),
    kill() {
      // cgroup.kill is atomic and came with Linux 5.14; before it, close the door first.
      if (tryControl(directory, 'cgroup.kill', 1)) return;
      tryControl(directory, 'pids.max', 0);
      killMembers(directory);
    },
    empty: () => members(directory).length === 0,
    remove() {
      removeGroup(directory);
    },
  };
}
