import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ForeignProcess {
  readonly pid: number;
  readonly name: string;
}

/**
 * Processes in the sandbox whose first process is `pid` that were not started by it: somebody on the host entered its
 * namespace (nsenter, docker-exec style). Their parent is outside, or was and left them; a process of the service has
 * all its ancestors inside.
 */
export function foreignProcesses(pid: number): readonly ForeignProcess[] {
  const namespace = linkOf(pid);
  if (namespace === undefined) return [];
  const inside = new Map<number, { readonly parent: number; readonly name: string }>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || linkOf(Number(name)) !== namespace) continue;
    const status = statusOf(Number(name));
    if (status !== undefined) inside.set(Number(name), status);
  }
  const foreign: ForeignProcess[] = [];
  for (const [each, { parent, name }] of inside) {
    if (each !== pid && !inside.has(parent)) foreign.push({ pid: each, name });
  }
  return foreign;
}

function linkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return undefined; // ended, or another user's
  }
}

function statusOf(pid: number): { parent: number; name: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string): string => new RegExp(`^${name}:[ \\t]+(.*)$`, 'm').exec(text)?.[1] ?? '';
    return {
      parent: Number(field('PPid')),
      name: field('Name').replace(/[^\x21-\x7e]/g, '?'),
    };
  } catch {
    return undefined;
  }
}
