import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, type TarStreamEntry } from '@sallyport/formats';
import { findInside } from '../tree.ts';

/**
 * What the definition names of the workspace, as entries below `prefix`. A step wrote these files, so nothing about
 * them is believed: no link is followed, links that lead out of the workspace stop the build, so do sockets, pipes and
 * devices; modes are reduced to "may be run" or not, which also takes setuid away.
 */
export async function workspaceEntries(
  workspace: string,
  paths: readonly string[],
  prefix: string,
  mtimeSeconds: number,
): Promise<readonly TarStreamEntry[]> {
  const found = new Map<string, TarStreamEntry>();
  for (const path of paths) {
    const start = await findInside(workspace, path);
    const relative = start.slice(workspace.length + 1);
    await collect(start, relative, { found, prefix, mtimeSeconds });
  }
  return [...found.values()];
}

/** A whole tree of ours (a tool), the same way. */
export async function treeEntries(
  directory: string,
  prefix: string,
  mtimeSeconds: number,
): Promise<readonly TarStreamEntry[]> {
  const found = new Map<string, TarStreamEntry>();
  await collect(directory, '', { found, prefix, mtimeSeconds });
  return [...found.values()];
}

interface Collecting {
  readonly found: Map<string, TarStreamEntry>;
  readonly prefix: string;
  readonly mtimeSeconds: number;
}

async function collect(path: string, relative: string, into: Collecting): Promise<void> {
  const { found, prefix, mtimeSeconds } = into;
  const name = relative === '' ? prefix : `${prefix}/${relative}`;
  const stat = await lstat(path);
  if (stat.isDirectory()) {
    found.set(name, { type: 'directory', path: name, mode: 0o755, mtimeSeconds });
    for (const child of (await readdir(path)).sort()) {
      await collect(join(path, child), relative === '' ? child : `${relative}/${child}`, into);
    }
  } else if (stat.isSymbolicLink()) {
    const linkTarget = await readlink(path);
    if (!staysInside(relative, linkTarget)) {
      throw new Fault(
        'invalid',
        'build.link_leaves',
        `expected links of the artifact to stay inside the workspace, got ${JSON.stringify(relative)} to ${JSON.stringify(linkTarget)}`,
      );
    }
    found.set(name, { type: 'symlink', path: name, mode: 0o777, mtimeSeconds, linkTarget });
  } else if (stat.isFile()) {
    const mode = stat.mode & 0o111 ? 0o755 : 0o644;
    const open = () => createReadStream(path, { highWaterMark: 1 << 20 });
    found.set(name, { type: 'file', path: name, mode, mtimeSeconds, sizeBytes: stat.size, open });
  } else {
    throw new Fault(
      'invalid',
      'build.special_file',
      `expected files, folders and links, got something else at ${JSON.stringify(relative)}`,
    );
  }
}

/** `..` only at the front, and no more of it than there are folders above: the same rule as the tar reader's, from /app. */
function staysInside(relative: string, target: string): boolean {
  if (target === '' || target.startsWith('/')) return false;
  const segments = target.split('/').filter((segment) => segment !== '' && segment !== '.');
  const names = segments.findIndex((segment) => segment !== '..');
  const climbs = names < 0 ? segments.length : names;
  return !segments.slice(climbs).includes('..') && climbs <= relative.split('/').length - 1;
}
