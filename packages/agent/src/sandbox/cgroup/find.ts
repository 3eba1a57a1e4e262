import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Controller, Groups } from './cgroup.ts';
import { members, readControl, tryControl } from './files.ts';
import { createV1 } from './v1.ts';
import { createV2 } from './v2.ts';

const wanted: readonly Controller[] = ['memory', 'pids', 'cpu'];

/** A file of each controller's own, which proves that a group made there is a real one. */
const proof: Readonly<Record<Controller, string>> = {
  memory: 'memory.limit_in_bytes',
  pids: 'pids.max',
  cpu: 'cpu.cfs_quota_us',
};

export interface FindOptions {
  /** Usually `/proc/self`. */
  readonly procSelf: string;
  /** Distinguishes agents on one host. */
  readonly name: string;
}

/** Finds where this process may make control groups, by trying; undefined where it may not at all. */
export function findGroups(options: FindOptions): Groups | undefined {
  const mounts = readMounts(options.procSelf);
  const own = readOwnGroups(options.procSelf);
  return findV2(mounts, own, options) ?? findV1(mounts, own, options);
}

interface GroupMount {
  readonly directory: string;
  readonly type: string;
  readonly options: readonly string[];
}

function readMounts(procSelf: string): readonly GroupMount[] {
  const mounts: GroupMount[] = [];
  for (const line of readFileSync(join(procSelf, 'mounts'), 'utf8').split('\n')) {
    const [, directory = '', type = '', options = ''] = line.split(' ');
    if (type === 'cgroup' || type === 'cgroup2') {
      mounts.push({ directory: directory.replaceAll('\\040', ' '), type, options: options.split(',') });
    }
  }
  return mounts;
}

/** Our own group per controller; the key '' is version 2. */
function readOwnGroups(procSelf: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>();
  for (const line of readFileSync(join(procSelf, 'cgroup'), 'utf8').split('\n')) {
    const [hierarchy = '', controllers = '', ...path] = line.split(':');
    if (hierarchy === '') continue;
    for (const controller of controllers.split(',')) groups.set(controller, path.join(':'));
  }
  return groups;
}

function findV1(
  mounts: readonly GroupMount[],
  own: ReadonlyMap<string, string>,
  options: FindOptions,
): Groups | undefined {
  const hierarchies: Partial<Record<Controller, string>> = {};
  for (const controller of wanted) {
    const mount = mounts.find((each) => each.type === 'cgroup' && each.options.includes(controller));
    if (mount === undefined) continue;
    // Our own group first, so that limits set on us hold for steps too; then the root, inside a container often ours.
    for (const directory of [join(mount.directory, own.get(controller) ?? '/'), mount.directory]) {
      if (!canMake(directory, proof[controller])) continue;
      hierarchies[controller] = directory;
      break;
    }
  }
  return Object.keys(hierarchies).length === 0
    ? undefined
    : createV1({ hierarchies, name: `sallyport-${options.name}` });
}

function canMake(directory: string, file: string): boolean {
  const trial = join(directory, `sallyport-probe-${process.pid}`);
  try {
    mkdirSync(trial);
  } catch {
    return false;
  }
  const real = readControl(trial, file) !== undefined;
  rmdirSync(trial);
  return real;
}

/**
 * Version 2 forbids processes in a group that hands controllers down ("no internal processes"), so in our own
 * delegated group the agent first moves itself into a leaf. We do that only when nobody else lives there.
 */
function findV2(
  mounts: readonly GroupMount[],
  own: ReadonlyMap<string, string>,
  options: FindOptions,
): Groups | undefined {
  const mount = mounts.find((each) => each.type === 'cgroup2');
  if (mount === undefined) return undefined;
  const home = join(mount.directory, own.get('') ?? '/');
  for (const parent of home === mount.directory ? [home] : [home, mount.directory]) {
    const offered = (readControl(parent, 'cgroup.controllers') ?? '').split(' ');
    const controllers = wanted.filter((each) => offered.includes(each));
    if (controllers.length === 0) continue;
    const directory = join(parent, `sallyport-${options.name}`);
    try {
      mkdirSync(directory, { recursive: true });
    } catch {
      continue;
    }
    if (handDown(parent, controllers) && handDown(directory, controllers))
      return createV2({ directory, controllers });
    const alone = members(parent).every((pid) => pid === process.pid);
    if (alone && moveAside(parent) && handDown(parent, controllers) && handDown(directory, controllers)) {
      return createV2({ directory, controllers });
    }
    rmdirSync(directory);
  }
  return undefined;
}

function handDown(directory: string, controllers: readonly Controller[]): boolean {
  const wish = controllers.map((each) => `+${each}`).join(' ');
  if (!tryControl(directory, 'cgroup.subtree_control', wish)) return false;
  const given = (readControl(directory, 'cgroup.subtree_control') ?? '').split(' ');
  return controllers.every((each) => given.includes(each) || given.includes(`+${each}`));
}

function moveAside(parent: string): boolean {
  const leaf = join(parent, 'sallyport-agent');
  try {
    mkdirSync(leaf, { recursive: true });
  } catch {
    return false;
  }
  return tryControl(leaf, 'cgroup.procs', process.pid);
}
