import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '@sallyport/formats';

export interface DirectoryLock {
  release(): void;
}

/** Who holds a directory. A pid alone is not an identity: it is given out again after its process ended. */
export interface Holder {
  readonly pid: number;
  /** Start time in clock ticks since boot (proc(5), stat field 22), or '' where the system does not tell. */
  readonly startTime: string;
  /** The pid namespace the number counts in, or ''. */
  readonly namespace: string;
}

/**
 * Two PGlite processes on one directory both succeed and silently lose rows, so the directory is held by one.
 * Two locks, both needed to get in:
 * - a POSIX record lock on `lock.db` (through SQLite, as Node offers no other door to one). The kernel drops it when
 *   the process ends, however it ends, so it is never stale and a take-over cannot race;
 * - `lock.json` naming the process. It is for the message, and it refuses on file systems that do not keep record
 *   locks between processes: a holder that lives is never robbed, and no age or heartbeat is looked at.
 * A crash at any line leaves at most a pid file of a dead process, which the next start replaces.
 */
export function lockDirectory(directory: string): DirectoryLock {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'lock.json');
  const kernelLock = new DatabaseSync(join(directory, 'lock.db'));
  try {
    kernelLock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    kernelLock.close();
    throw refused(directory, readHolder(file), error);
  }
  const holder = readHolder(file);
  if (holder !== undefined && isAlive(holder)) {
    kernelLock.close();
    throw refused(directory, holder);
  }
  writeDurably(file, `${JSON.stringify(thisProcess())}\n`);
  return {
    release: () => {
      rmSync(file, { force: true });
      kernelLock.close();
    },
  };
}

function refused(directory: string, holder: Holder | undefined, cause?: unknown): Fault {
  const who = holder === undefined ? 'another process' : `process ${holder.pid}`;
  return new Fault(
    'conflict',
    'platform.directory_locked',
    `expected a free data directory, but ${who} uses it`,
    {
      hint: 'stop that process, or start this one with another data directory',
      details: { directory, pid: holder?.pid ?? null },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function readHolder(file: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, startTime, namespace } = value as Record<string, unknown>;
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
    return {
      pid,
      startTime: typeof startTime === 'string' ? startTime : '',
      namespace: typeof namespace === 'string' ? namespace : '',
    };
  } catch {
    // Absent, or half written by a crash: the record lock is held by us, so nobody else is writing it.
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  const self = thisProcess();
  // The same process may open again after a release that failed half way; the record lock already says it is free.
  if (holder.pid === self.pid && holder.startTime === self.startTime) return false;
  // A number from another pid namespace cannot be looked up here; the record lock spans namespaces and decides.
  if (holder.namespace !== self.namespace) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM says it lives and belongs to somebody else.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
  }
  const startTime = startTimeOf(holder.pid);
  return startTime === '' || holder.startTime === '' || startTime === holder.startTime;
}

function thisProcess(): Holder {
  return { pid: process.pid, startTime: startTimeOf(process.pid), namespace: pidNamespace() };
}

function startTimeOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in parentheses and may hold spaces; count from the last parenthesis.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

function writeDurably(file: string, text: string): void {
  const draft = `${file}.new`;
  const descriptor = openSync(draft, 'w', 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, file);
}
