import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Fault, parseDigest, type SecretBytes, toHex } from '@sallyport/formats';
import { keepFile } from '../durable-file.ts';
import { createProtector, type Protector } from './protect.ts';

/** One attempt of one step. Parts are ids and names that were checked: they become file names. */
export interface LogKey {
  readonly runId: string;
  readonly attempt: number;
  readonly step: string;
}

export interface StoredLog {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly truncated: boolean;
  /** The server covered something that the agent had let through. */
  readonly covered: boolean;
}

/**
 * Logs of steps: appended to a file while the step runs, kept by digest when it ended. The size of the file is the
 * offset the agent goes on from, so nothing else has to be remembered and a repeated append changes nothing.
 */
export interface Logs {
  /** Values that must not appear in this log, from now on. */
  protect(key: LogKey, values: readonly SecretBytes[]): void;
  /** Appends what is new of `bytes`, which begin at `offset`; gives the offset to go on from. */
  append(key: LogKey, offset: number, bytes: Uint8Array): Promise<number>;
  /** Makes the log durable under its digest. May be called again. */
  finish(key: LogKey): Promise<StoredLog>;
  /** The step is over, and its log kept: what was looked for in it leaves the memory. */
  forget(key: LogKey): void;
  /** What may be shown now, from `offset`, at most `maxBytes`. A secret that is not whole yet is held back. */
  read(key: LogKey, offset: number, maxBytes: number): Promise<Uint8Array>;
  readStored(digest: string, offset: number): AsyncIterable<Uint8Array>;
}

export const maxLogBytes = 16 * 1024 * 1024;

export function createLogs(directory: string, limitBytes = maxLogBytes): Logs {
  const protectors = new Map<string, Protector>();
  const covered = new Set<string>();
  const turns = new Map<string, Promise<unknown>>();

  const liveFile = ({ runId, attempt, step }: LogKey): string => {
    if (
      !/^run_[0-9a-f-]{36}$/.test(runId) ||
      !/^[a-z0-9-]{1,63}$/.test(step) ||
      !Number.isSafeInteger(attempt)
    ) {
      throw new Fault('internal', 'pipeline.bad_log_key', 'expected the name of a log, got something else');
    }
    return join(directory, 'live', runId, `${attempt}-${step}.log`);
  };
  const storedFile = (digest: string): string => {
    const hex = parseDigest(digest).slice('sha256:'.length);
    return join(directory, 'sha256', hex.slice(0, 2), hex);
  };

  /** One after the other for each log: two requests that append at once would interleave. */
  function inTurn<T>(file: string, work: () => Promise<T>): Promise<T> {
    const before = turns.get(file) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.catch(() => undefined);
    turns.set(file, settled);
    void settled.then(() => {
      if (turns.get(file) === settled) turns.delete(file);
    });
    return mine;
  }

  async function append(file: string, offset: number, bytes: Uint8Array): Promise<number> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, existsSync(file) ? 'r+' : 'wx+', 0o600);
    try {
      const { size } = await handle.stat();
      // At the limit everything is taken and nothing is kept: a step that prints 1 GB is no reason to fail.
      if (offset > size && size < limitBytes) {
        throw new Fault(
          'conflict',
          'pipeline.log_gap',
          `expected the log to go on at ${size}, got ${offset}`,
          {
            details: { offset: size },
          },
        );
      }
      const fresh = bytes
        .subarray(Math.min(Math.max(0, size - offset), bytes.length))
        .subarray(0, limitBytes - size);
      if (fresh.length > 0) await write(file, handle, size, fresh);
      return Math.max(size + fresh.length, size >= limitBytes ? offset + bytes.length : 0);
    } finally {
      await handle.close();
    }
  }

  async function write(file: string, handle: FileHandle, size: number, fresh: Uint8Array): Promise<void> {
    const protector = protectors.get(file);
    const overlap = Math.min(size, Math.max(0, (protector?.reach ?? 0) - 1));
    const window = new Uint8Array(overlap + fresh.length);
    if (overlap > 0) await handle.read(window, 0, overlap, size - overlap);
    window.set(fresh, overlap);
    if (protector?.cover(window) === true) covered.add(file);
    const { bytesWritten } = await handle.write(window, 0, window.length, size - overlap);
    // A full disk. The size of the file stays the truth, so the agent goes on from there when it tries again.
    if (bytesWritten !== window.length) {
      throw new Fault('unavailable', 'pipeline.log_not_written', 'the log could not be written whole');
    }
  }

  return {
    protect(key, values) {
      const protector = createProtector(values);
      if (protector.reach > 0) protectors.set(liveFile(key), protector);
    },

    async append(key, offset, bytes) {
      if (!Number.isSafeInteger(offset) || offset < 0) {
        throw new Fault('invalid', 'pipeline.bad_offset', `expected an offset of 0 or more, got ${offset}`);
      }
      const file = liveFile(key);
      return inTurn(file, () => append(file, offset, bytes));
    },

    async finish(key) {
      const file = liveFile(key);
      return inTurn(file, async () => {
        await mkdir(dirname(file), { recursive: true, mode: 0o700 });
        const handle = await open(file, existsSync(file) ? 'r+' : 'wx+', 0o600);
        let digest: string;
        let size: number;
        try {
          await handle.sync();
          ({ size } = await handle.stat());
          const hash = createHash('sha256');
          for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
          digest = `sha256:${toHex(hash.digest())}`;
        } finally {
          await handle.close();
        }
        // The live file stays for readers that follow it; a repeated finish finds it and gives the same.
        await keepFile(storedFile(digest), createReadStream(file));
        return { digest, sizeBytes: size, truncated: size >= limitBytes, covered: covered.has(file) };
      });
    },

    forget(key) {
      protectors.delete(liveFile(key));
    },

    async read(key, offset, maxBytes) {
      const file = liveFile(key);
      if (!existsSync(file)) return new Uint8Array();
      const { size } = await stat(file);
      const protector = protectors.get(file);
      const handle = await open(file, 'r');
      try {
        const tail = new Uint8Array(Math.min(size, Math.max(0, (protector?.reach ?? 0) - 1)));
        if (tail.length > 0) await handle.read(tail, 0, tail.length, size - tail.length);
        const shown = size - (protector?.openEnd(tail) ?? 0);
        const length = Math.min(maxBytes, shown - offset);
        if (length <= 0) return new Uint8Array();
        const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    },

    readStored: (digest, offset) => createReadStream(storedFile(digest), { start: offset }),
  };
}
