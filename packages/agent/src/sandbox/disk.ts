import { chmod, lstat, opendir, statfs } from 'node:fs/promises';
import { join } from 'node:path';

export interface DiskWatch {
  stop(): void;
  /** One last exact look. */
  exceeded(): Promise<boolean>;
}

export interface DiskWatchOptions {
  readonly directory: string;
  readonly limitBytes: number;
  /** Called at most once. */
  readonly onExceeded: (reason: string) => void;
}

const pollMilliseconds = 100;
/** A full walk at least this often, whatever the file system says. */
const walkEverySeconds = 5;
/** Left free on the host's disk in any case, for the ledger and everyone else. */
const reserveBytes = 256 * 1024 * 1024;

/**
 * Watches how much a workspace holds. Asking the file system for its free blocks is one cheap call, so that is done
 * often; the tree is walked only when the disk filled by enough that the limit may have been passed.
 * KNOWN LIMIT: not a quota. A step can pass the limit by what it writes within a tenth of a second and a walk, and
 * files it deleted but holds open are seen only by the reserve of free space kept for the host.
 */
export function watchDisk({ directory, limitBytes, onExceeded }: DiskWatchOptions): DiskWatch {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let lastWalk = 0;
  let lastSize = 0;
  let usedAtWalk = 0;

  async function look(): Promise<void> {
    const fs = await statfs(directory);
    const used = (fs.blocks - fs.bfree) * fs.bsize;
    if (fs.bavail * fs.bsize < reserveBytes) return report('the disk of the host is nearly full');
    const due = performance.now() - lastWalk > walkEverySeconds * 1000;
    // Others on the same disk can only make us walk too often, or, by freeing, delay us until the walk is due.
    const suspicious = used - usedAtWalk > (limitBytes - lastSize) / 2;
    if (!due && !suspicious) return;
    lastSize = await sizeOf(directory, limitBytes);
    usedAtWalk = used;
    lastWalk = performance.now();
    if (lastSize > limitBytes) report(`the workspace holds more than ${mib(limitBytes)} MiB`);
  }

  function report(reason: string): void {
    if (stopped) return;
    stopped = true;
    onExceeded(reason);
  }

  function schedule(): void {
    timer = setTimeout(() => {
      // A tree that changes under the walk is normal; a directory that is gone is the step's own doing.
      look()
        .catch(() => undefined)
        .finally(() => {
          if (!stopped) schedule();
        });
    }, pollMilliseconds);
  }
  schedule();

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
    exceeded: async () => (await sizeOf(directory, limitBytes)) > limitBytes,
  };
}

/** Bytes on disk below `directory`, sparse files by what they take; stops counting once past `enough`. */
export async function sizeOf(directory: string, enough = Number.POSITIVE_INFINITY): Promise<number> {
  let total = 0;
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    try {
      for await (const entry of await opendir(next)) {
        const path = join(next, entry.name);
        if (entry.isDirectory()) pending.push(path);
        try {
          total += (await lstat(path)).blocks * 512;
        } catch {
          // Deleted since it was listed.
        }
        if (total > enough) return total;
      }
    } catch (error) {
      // Deleted since it was listed; or closed by the step to hide what is in it, where the agent is not root.
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') continue; // errors of node:fs carry a code
      if (await reopen(next)) pending.push(next);
    }
  }
  return total;
}

async function reopen(directory: string): Promise<boolean> {
  try {
    if (((await lstat(directory)).mode & 0o500) === 0o500) return false;
    await chmod(directory, 0o700);
    return true;
  } catch {
    return false;
  }
}

const mib = (bytes: number): number => Math.round(bytes / 1024 / 1024);
