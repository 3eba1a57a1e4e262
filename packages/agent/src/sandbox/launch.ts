import { chownSync, lchownSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { findFirstProcess } from './processes.ts';

/**
 * How bwrap is started. An unprivileged agent starts it directly. A root agent must not: a step mapped to the real
 * root user owns the host's device nodes and could `chmod` them, capabilities or not. So root starts an outer bwrap,
 * which only arranges the needed paths where another user can reach them (they may lie below a 0700 directory), then
 * becomes `stepUid` and starts the inner one as any unprivileged user would.
 */
export interface Launch {
  /** Gives the path under which the inner bwrap reaches `source`. */
  stage(source: string, writable: boolean): string;
  /** Program and arguments that come before the inner bwrap's own. */
  prefix(): readonly string[];
  /** The host's number of the sandbox's process 1, from the one the inner bwrap told; undefined while not there. */
  hostPid(child: number, told: number): number | undefined;
}

export interface LaunchOptions {
  readonly bwrap: string;
  /** Present for a root agent: who steps run as. */
  readonly stepUid: number | undefined;
  readonly setpriv: string;
}

export function createLaunch({ bwrap, stepUid, setpriv }: LaunchOptions): Launch {
  if (stepUid === undefined)
    return { stage: (source) => source, prefix: () => [bwrap], hostPid: (_, told) => told };

  const staged: string[] = [];
  let count = 0;
  return {
    hostPid: findFirstProcess,
    stage(source, writable) {
      const path = `/tmp/s${count}`;
      count += 1;
      staged.push(writable ? '--bind' : '--ro-bind', source, path);
      return path;
    },
    prefix: () => [
      bwrap,
      '--die-with-parent',
      // The inner bwrap belongs to another user, so the signal that --die-with-parent is made of is refused between
      // the two. The end of a pid namespace asks nobody: with the outer one everything in it is killed.
      '--unshare-pid',
      '--dev-bind',
      '/',
      '/',
      '--tmpfs',
      '/tmp',
      '--chmod',
      '0711',
      '/tmp',
      ...staged,
      '--',
      setpriv,
      '--reuid',
      String(stepUid),
      '--regid',
      String(stepUid),
      '--clear-groups',
      '--',
      bwrap,
    ],
  };
}

/** Gives one path (a socket, a directory) to the step's user. No-op for an unprivileged agent. */
export function give(path: string, stepUid: number | undefined): void {
  if (stepUid !== undefined) chownSync(path, stepUid, stepUid);
}

/**
 * Gives a whole workspace to the step's user, links themselves and not what they point at. Skipped when its top
 * already belongs to that user, as it does from the second step on.
 */
export function giveTree(directory: string, stepUid: number | undefined): void {
  if (stepUid === undefined || lstatSync(directory).uid === stepUid) return;
  giveBelow(directory, stepUid);
  // Last, so that a crash midway leaves a tree that is given again as a whole.
  lchownSync(directory, stepUid, stepUid);
}

function giveBelow(directory: string, stepUid: number): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) giveBelow(path, stepUid);
    lchownSync(path, stepUid, stepUid);
  }
}
