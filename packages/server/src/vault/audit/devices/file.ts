import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Device, deviceFailed, systemCode } from './device.ts';
import { openLog, type Within } from './file-path.ts';

export interface FileOptions {
  /** Absolute. */
  readonly path: string;
  readonly within: Within;
  /** Permission bits; 0 leaves the mode of the file as it is. */
  readonly mode: number;
  /** Whether `write` waits until the lines are on the disk (`fdatasync`), and not only in the kernel. */
  readonly sync: boolean;
  /** How long a pipe may be full. */
  readonly timeoutMs: number;
}

/**
 * Appends lines to a file (O_APPEND) or a named pipe.
 * KNOWN LIMIT: a write to a file system that hangs holds one thread of libuv's pool until it returns.
 */
export async function openFileDevice(options: FileOptions): Promise<Device> {
  let target = await openLog(options.path, options.within, options.mode);
  let syncing = options.sync && (await target.stat()).isFile();
  /** Whether the last line in the file was cut by a failure, so that the next must begin on a line of its own. */
  let torn = false;

  async function append(bytes: Buffer): Promise<void> {
    let written = 0;
    try {
      const deadline = performance.now() + options.timeoutMs;
      while (written < bytes.length) {
        const taken = await writeSome(target, bytes, written).catch((error) => {
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
        if (syncing) await target.datasync();
      } catch (cause) {
        throw failure(options.path, cause);
      }
    },
    async reopen() {
      // The new one first: if it cannot be opened, the old one goes on.
      const fresh = await openLog(options.path, options.within, options.mode);
      const old = target;
      target = fresh;
      syncing = options.sync && (await fresh.stat()).isFile();
      torn = false;
      await old.close();
    },
    close: () => target.close(),
  };
}

async function writeSome(target: FileHandle, bytes: Buffer, from: number): Promise<number> {
  return (await target.write(bytes, from, bytes.length - from)).bytesWritten;
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
