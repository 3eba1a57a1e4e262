import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize, sep } from 'node:path';
import { deviceFailed, deviceRefused, systemCode } from './device.ts';

/** Directories below which a device may write, or `anywhere` for a path from the server's own configuration. */
export type Within = readonly string[] | 'anywhere';

const maxPathChars = 4096;

/**
 * Opens the file of a device for appending, making it when there is none. A path that came by the API must lie in a
 * directory the configuration names, with all links of its directories followed first: an audit log is a file whose
 * content a client has a say in, and would make a fine crontab or `authorized_keys` (CVE-2025-54997 of OpenBao).
 * The last part of the path is never followed if it is a link, and a file with a second name is refused.
 */
export async function openLog(path: string, within: Within, mode: number): Promise<FileHandle> {
  const target = await allowedPath(path, within);
  let handle: FileHandle;
  try {
    // O_NONBLOCK: a pipe that nobody reads must fail here, and not hold a thread of the pool for ever.
    handle = await open(
      target,
      constants.O_WRONLY |
        constants.O_APPEND |
        constants.O_CREAT |
        constants.O_NOFOLLOW |
        constants.O_NONBLOCK |
        constants.O_NOCTTY,
      mode === 0 ? 0o600 : mode,
    );
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'ELOOP')
      throw deviceRefused('path', `expected a log file at "${path}", got a symbolic link`);
    if (code === 'EISDIR') throw deviceRefused('path', `expected a log file at "${path}", got a directory`);
    if (code === 'ENXIO') {
      throw deviceFailed('open', `expected a reader of the pipe "${path}", got none`, cause);
    }
    throw deviceFailed('open', `cannot open the audit log "${path}"`, cause);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile() && !stat.isFIFO()) {
      throw deviceRefused('path', `expected a regular file or a pipe at "${path}", got something else`);
    }
    if (stat.isFile() && stat.nlink > 1) {
      throw deviceRefused('path', `expected a file with one name at "${path}", got one with ${stat.nlink}`);
    }
    if (mode !== 0 && stat.isFile() && (stat.mode & 0o777) !== mode) await handle.chmod(mode);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function allowedPath(path: string, within: Within): Promise<string> {
  if (
    path.length > maxPathChars ||
    path.includes('\0') ||
    !isAbsolute(path) ||
    normalize(path) !== path ||
    path.endsWith(sep)
  ) {
    throw deviceRefused(
      'path',
      'expected an absolute path of a file, without "." or ".." in it, got another',
    );
  }
  const parent = await real(dirname(path));
  if (within !== 'anywhere') {
    const roots = await Promise.all(within.map((directory) => real(directory)));
    const below = roots.some((root) => parent === root || parent.startsWith(root === sep ? sep : root + sep));
    if (!below) {
      throw deviceRefused(
        'path',
        `expected a path below a directory that the configuration allows for audit logs, got "${path}"`,
        'name its directory in the configuration, or declare the device there',
      );
    }
  }
  return join(parent, basename(path));
}

async function real(directory: string): Promise<string> {
  try {
    return await realpath(directory);
  } catch (cause) {
    throw deviceFailed('open', `cannot find the directory "${directory}" of an audit log`, cause);
  }
}
