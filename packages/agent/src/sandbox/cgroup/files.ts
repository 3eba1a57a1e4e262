import { readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Content of a control file, or undefined where the kernel does not have it. */
export function readControl(directory: string, file: string): string | undefined {
  try {
    return readFileSync(join(directory, file), 'utf8').trim();
  } catch {
    return undefined;
  }
}

export function writeControl(directory: string, file: string, value: string | number): void {
  writeFileSync(join(directory, file), String(value));
}

/** Writes where the file exists and accepts it; says whether it did. */
export function tryControl(directory: string, file: string, value: string | number): boolean {
  try {
    writeControl(directory, file, value);
    return true;
  } catch {
    return false;
  }
}

/** `name value` lines, as in memory.events and pids.events. */
export function counter(text: string | undefined, name: string): number {
  for (const line of (text ?? '').split('\n')) {
    const [key, value] = line.split(' ');
    if (key === name) return Number(value) || 0;
  }
  return 0;
}

export function members(directory: string): readonly number[] {
  const text = readControl(directory, 'cgroup.procs') ?? '';
  return text === '' ? [] : text.split('\n').map(Number);
}

export function children(directory: string): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** SIGKILLs every member; one that is already gone is no error. */
export function killMembers(directory: string): void {
  for (const pid of members(directory)) {
    // 0 stands for a process of another pid namespace, and kill(0) would be our own process group.
    if (pid <= 0) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // ESRCH: ended between our look and the kill, which is what we wanted.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // errors of process.kill carry a code
    }
  }
}

/** Removes an empty group. The kernel keeps it busy for a moment after the last member was reaped. */
export function removeGroup(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // errors of node:fs carry a code
  }
}
