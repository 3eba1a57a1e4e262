import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import {
  chmod,
  copyFile,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  readlink,
  rm,
  symlink,
  utimes,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Fault, readTar, type TarLimits } from '@sallyport/formats';

/** Unpacks a source tar, strictly, and returns the SHA-256 of all its bytes. Nothing may run before that was compared. */
export async function unpackSource(
  source: AsyncIterable<Uint8Array>,
  directory: string,
  mtimeSeconds: number,
  limits: Partial<TarLimits> = {},
): Promise<string> {
  const hash = createHash('sha256');
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      hash.update(chunk);
      yield chunk;
    }
  }
  await mkdir(directory, { recursive: true, mode: 0o755 });
  for await (const entry of readTar(hashed(), limits)) {
    const path = join(directory, entry.path);
    await mkdir(dirname(path), { recursive: true });
    if (entry.type === 'directory') await mkdir(path, { recursive: true });
    else if (entry.type === 'hardlink') await link(join(directory, entry.linkTarget ?? ''), path);
    else if (entry.type === 'symlink') {
      await symlink(entry.linkTarget ?? '', path);
      await lutimes(path, mtimeSeconds, mtimeSeconds);
    } else {
      const file = await open(path, 'wx', entry.mode & 0o100 ? 0o755 : 0o644);
      try {
        for await (const chunk of entry.body) await file.writeFile(chunk);
      } finally {
        await file.close();
      }
      // The time of the checkout must not reach an artifact.
      await utimes(path, mtimeSeconds, mtimeSeconds);
    }
  }
  return hash.digest('hex');
}

/** Copies files, folders and links as they are; sockets, pipes and devices a step may have left are left behind. */
export async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o755 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    // Shares the blocks where the file system can, so the copy costs nothing until a step writes.
    else if (entry.isFile())
      await copyFile(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
  }
}

/** Removes a tree also when a step took its own rights on a folder away. */
export async function removeTree(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch {
    await makeRemovable(directory);
    await rm(directory, { recursive: true, force: true });
  }
}

async function makeRemovable(directory: string): Promise<void> {
  await chmod(directory, 0o700);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeRemovable(join(directory, entry.name));
  }
}

/**
 * The path of a file or folder of the workspace that a definition names, reached through real folders only: a step may
 * have put a link in the way.
 */
export async function findInside(root: string, path: string): Promise<string> {
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (path.startsWith('/') || segments.includes('..') || path.includes('\0')) {
    throw new Fault(
      'invalid',
      'build.path',
      `expected a path inside the workspace, got ${JSON.stringify(path)}`,
    );
  }
  let at = root;
  for (const [index, segment] of segments.entries()) {
    at = join(at, segment);
    const found = await lstat(at).catch(() => undefined);
    if (found === undefined) {
      throw new Fault(
        'precondition',
        'build.path_missing',
        `expected ${JSON.stringify(path)} in the workspace, found nothing`,
      );
    }
    if (index < segments.length - 1 && !found.isDirectory()) {
      throw new Fault(
        'invalid',
        'build.path',
        `expected only folders above ${JSON.stringify(path)}, got something else`,
      );
    }
  }
  return at;
}
