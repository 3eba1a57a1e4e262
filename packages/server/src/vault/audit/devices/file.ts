import { constants as fsConstants, fstatSync, write as writeFd } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Device, deviceFailed, systemCode } from './device.ts';
import { openLog, type Within } from './file-path.ts';

export interface FileOptions {
  /** An absolute path, or `stdout`. */
  readonly path: string;
  readonly within: Within;
  /** Permission bits; 0 leaves the mode of the file as it is. */
  readonly mode: number;
  /** Whether `write` waits until the lines are on the disk (`fdatasync`), and not only in the kernel. */
  readonly sync: boolean;
  /** How long a pipe may be full. */
  readonly timeoutMs: number;
}

/** A place to append to; `sink` gives the number of bytes it took. */
interface Target {
  readonly sink: (bytes: Buffer) => Promise<number>;
  readonly sync: (() => Promise<void>) | undefined;
  readonly close: () => Promise<void>;
}

/**
 * Appends lines to a file (O_APPEND), a named pipe, or standard output.
 * KNOWN LIMIT: a write to a file system that hangs holds one thread of libuv's pool until it returns.
 */
export async function openFileDevice(options: FileOptions): Promise<Device> {
  let target = await openTarget(options);
  /** Whether the last line in the file was cut by a failure, so that the next must begin on a line of its own. */
  let torn = false;

  async function append(bytes: Buffer): Promise<void> {
    let written = 0;
    try {
      const deadline = performance.now() + options.timeoutMs;
      while (written < bytes.length) {
        const taken = await target.sink(bytes.subarray(written)).catch((error) => {
          if (systemCode(error) !== 'EAGAIN' || performance.now() > deadline) throw error;
          return 0;
        });
        written += taken;
        if (taken === 0) await sleep(10);
      }
    } catch (cause) {
      torn = written === 0 ? torn : bytes[written - 1] !== 0x0a;
      throw failure(options.path, cause);
    }
    torn = false;
  }

  return {
    async write(lines) {
      const bytes = Buffer.concat(lines);
      await append(torn ? Buffer.concat([Buffer.from('\n'), bytes]) : bytes);
      try {
        await target.sync?.();
      } catch (cause) {
        throw failure(options.path, cause);
      }
    },
    async reopen() {
      // The new one first: if it cannot be opened, the old one goes on.
      const fresh = await openTarget(options);
      const old = target;
      target = fresh;
      torn = false;
      await old.close();
    },
    close: () => target.close(),
  };
}

async function openTarget(options: FileOptions): Promise<Target> {
  if (options.path === 'stdout') return openStdout();
  const handle = await openLog(options.path, options.within, options.mode);
  const regular = (await handle.stat()).isFile();
  return targetOf(handle, options.sync && regular);
}

function targetOf(handle: FileHandle, sync: boolean): Target {
  return {
    sink: async (bytes) => (await handle.write(bytes, 0, bytes.length)).bytesWritten,
    sync: sync ? () => handle.datasync() : undefined,
    close: () => handle.close(),
  };
}

/**
 * Not `process.stdout`, whose writes to a pipe block the whole process when its reader stops. A pipe is opened once
 * more, without blocking; a file or terminal is written through descriptor 1, whose position others share.
 */
async function openStdout(): Promise<Target> {
  if (fstatSync(1).isFIFO()) {
    try {
      const handle = await open('/dev/stdout', fsConstants.O_WRONLY | fsConstants.O_NONBLOCK);
      return targetOf(handle, false);
    } catch (cause) {
      throw deviceFailed('open', 'cannot open standard output for audit lines', cause);
    }
  }
  return {
    sink: (bytes) =>
      new Promise((resolve, reject) => {
        writeFd(1, bytes, (error, written) => (error === null ? resolve(written) : reject(error)));
      }),
    sync: undefined,
    close: async () => undefined,
  };
}

function failure(path: string, cause: unknown): Error {
  switch (systemCode(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return deviceFailed(
        'disk_full',
        `expected room for the audit log "${path}", got a full disk`,
        cause,
        'make room; writing goes on by itself',
      );
    case 'EAGAIN':
      return deviceFailed('timeout', `expected the pipe "${path}" to be read, got no room in it`, cause);
    default:
      return deviceFailed('write', `cannot write the audit log "${path}"`, cause);
  }
}
