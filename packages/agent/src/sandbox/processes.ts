import { readdirSync, readFileSync } from 'node:fs';

/** Looking at processes of the host through /proc. A process may end at any moment, so nothing here throws for that. */

export function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return scanForChildren(pid);
  }
}

/** For kernels without CONFIG_PROC_CHILDREN. */
function scanForChildren(pid: number): readonly number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name) && Number(statusField(Number(name), 'PPid')) === pid) found.push(Number(name));
  }
  return found;
}

/** The first value of a line of /proc/<pid>/status; undefined when there is no such process or line. */
export function statusField(pid: number, field: string): string | undefined {
  return statusFields(pid, field)[0];
}

function statusFields(pid: number, field: string): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return new RegExp(`^${field}:[ \\t]+(.*)$`, 'm').exec(text)?.[1]?.trim().split(/\s+/) ?? [];
  } catch {
    return [];
  }
}

/**
 * The host's number of the process that is `innerPid` in the pid namespace one below ours, among the descendants of
 * `ancestor`, and 1 in a namespace of its own.
 */
export function findFirstProcess(ancestor: number, innerPid: number): number | undefined {
  const pending = [...childrenOf(ancestor)];
  for (let pid = pending.pop(); pid !== undefined; pid = pending.pop()) {
    const numbers = statusFields(pid, 'NSpid').map(Number);
    if (numbers.at(-1) === 1 && numbers.at(-2) === innerPid && numbers.length > 2) return pid;
    pending.push(...childrenOf(pid));
  }
  return undefined;
}

/** Whether `pid` is no longer the process that was ours: gone, a zombie, or a number given to another program. */
export function isGone(pid: number, ourName: string): boolean {
  const name = statusField(pid, 'Name');
  return name !== ourName || statusField(pid, 'State') === 'Z';
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // errors of process.kill carry a code
  }
}
