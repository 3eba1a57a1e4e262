import { lstat, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Definition } from '@sallyport/contract';
import { Fault, parsePackageLock } from '@sallyport/formats';
import { createLockIndex, type LockEntry, type PackagePolicy } from '../egress/index.ts';
import { findInside } from './tree.ts';

/** What the commit's definition and lock files allow; read before the first step can touch the workspace. */
export async function packagePolicy(definition: Definition, workspace: string): Promise<PackagePolicy> {
  const dependencies = definition.dependencies;
  const entries: LockEntry[] = [];
  for (const path of dependencies?.lockfiles ?? []) entries.push(...(await readLock(workspace, path)));
  return {
    lock: createLockIndex(entries),
    onUnverified: dependencies?.on_unverified ?? 'fail',
    minReleaseAgeSeconds:
      dependencies?.min_release_age === undefined ? undefined : secondsOf(dependencies.min_release_age),
  };
}

async function readLock(workspace: string, path: string): Promise<readonly LockEntry[]> {
  if (!['package-lock.json', 'npm-shrinkwrap.json'].includes(basename(path))) {
    throw new Fault(
      'invalid',
      'build.lockfile_kind',
      `expected a package-lock.json or npm-shrinkwrap.json, got "${path}"`,
      {
        hint: 'other lock files are not verified yet; take it off `dependencies.lockfiles`',
      },
    );
  }
  const file = await findInside(workspace, path);
  if (!(await lstat(file)).isFile())
    throw new Fault('invalid', 'build.lockfile', `expected "${path}" to be a file`);
  return parsePackageLock(await readFile(file, 'utf8'));
}

const units = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** `90s`, `15m`, `72h`, `7d`; the definition's schema has checked the form. */
export function secondsOf(duration: string): number {
  const match = /^([0-9]{1,6})([smhd])$/.exec(duration);
  const unit = match?.[2];
  if (match?.[1] === undefined || (unit !== 's' && unit !== 'm' && unit !== 'h' && unit !== 'd')) {
    throw new Fault(
      'invalid',
      'build.duration',
      `expected a duration like 15m, got ${JSON.stringify(duration)}`,
    );
  }
  return Number(match[1]) * units[unit];
}
