import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Fault } from '@sallyport/formats';
import {
  type Algorithm,
  algorithmOf,
  type ContentDigest,
  contentDigestFrom,
  hexOf,
} from '../content-digest.ts';
import { batched, readRange, writeAll } from './file-bytes.ts';
import { asFault, codeOf, isDiskFull, uploadLost } from './file-faults.ts';
import type { FileSystem } from './file-system.ts';

/**
 * Blobs as files: `uploads/<id>` while they arrive, `blobs/<algorithm>/<two digits>/<digest>.<upload id>` once verified.
 * A file appears under `blobs` only by rename, after its bytes were hashed and synced; a crash at any line leaves at
 * most an upload that can be resumed or a file that no row names, which garbage collection removes.
 */
export interface BlobFiles {
  prepare(): Promise<void>;
  /**
   * Writes `body` at `offset` of the upload, cutting off what an earlier crash left behind it. `onDurable` is told how
   * far the bytes are on the disk, every few megabytes and at the end, also when the body breaks off. Gives the end.
   */
  receive(
    id: string,
    offset: number,
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    limits: { readonly maxBytes: number },
    onDurable: (end: number) => Promise<void>,
  ): Promise<number>;
  /** Verifies the upload's content and moves it in place; the name of the file. */
  seal(id: string, offset: number, digest: ContentDigest, at: Date): Promise<string>;
  exists(file: string, sizeBytes: number): Promise<boolean>;
  read(file: string, start: number, end: number): AsyncIterable<Uint8Array>;
  discardUpload(id: string): Promise<void>;
  remove(file: string): Promise<void>;
  /** Files in place, directory by directory, with the time they were sealed. */
  list(): AsyncIterable<ReadonlyArray<{ readonly file: string; readonly sealedAt: Date }>>;
}

const durableEveryBytes = 32 * 1024 * 1024;
/** Running SHA-256 of uploads in progress; lost on restart and of no use for SHA-512, then the file is read again. */
const maxRunningHashes = 1000;
const filePattern = /^(?:[0-9a-f]{64}|[0-9a-f]{128})\.[a-z0-9_-]{1,80}$/;
const algorithms: readonly Algorithm[] = ['sha256', 'sha512'];

export function createBlobFiles(deps: { readonly root: string; readonly fs: FileSystem }): BlobFiles {
  const { root, fs } = deps;
  const uploads = join(root, 'uploads');
  const blobs = join(root, 'blobs');
  const running = new Map<string, { readonly hash: ReturnType<typeof createHash>; readonly end: number }>();

  const uploadPath = (id: string): string => join(uploads, checkFileId(id));
  const pathOf = (file: string): string => {
    // The name comes from a row; a forged one must not reach outside of the directory.
    if (!filePattern.test(file))
      throw new Fault('integrity', 'registry.row_invalid', 'expected the name of a blob file');
    return join(blobs, file.indexOf('.') === 64 ? 'sha256' : 'sha512', file.slice(0, 2), file);
  };

  async function hashOf(
    id: string,
    handle: FileHandle,
    end: number,
    algorithm: Algorithm,
  ): Promise<ReturnType<typeof createHash>> {
    const known = running.get(id);
    if (algorithm === 'sha256' && known !== undefined && known.end === end) return known.hash.copy();
    const hash = createHash(algorithm);
    let read = 0;
    for await (const chunk of readRange(handle, 0, end - 1)) {
      hash.update(chunk);
      read += chunk.length;
    }
    if (read !== end) throw uploadLost();
    return hash;
  }

  async function syncDirectory(path: string): Promise<void> {
    const handle = await fs.open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  return {
    async prepare() {
      await fs.mkdir(uploads, { recursive: true, mode: 0o700 });
      for (const algorithm of algorithms)
        await fs.mkdir(join(blobs, algorithm), { recursive: true, mode: 0o700 });
      await syncDirectory(blobs);
      await syncDirectory(root);
    },

    async receive(id, offset, body, { maxBytes }, onDurable) {
      const handle = await openUpload(fs, uploadPath(id), offset);
      let end = offset;
      let durable = offset;
      const makeDurable = async (): Promise<void> => {
        if (end === durable) return;
        await handle.datasync();
        durable = end;
        await onDurable(end);
      };
      try {
        await handle.truncate(offset);
        const hash = await hashOf(id, handle, offset, 'sha256');
        running.delete(id);
        try {
          for await (const chunk of batched(body)) {
            if (end + chunk.length > maxBytes)
              throw new Fault(
                'invalid',
                'registry.size_invalid',
                `expected a blob of at most ${maxBytes} bytes, got more`,
              );
            // The disk writes on another thread while this one hashes.
            const written = writeAll(handle, chunk, end);
            hash.update(chunk);
            await written;
            end += chunk.length;
            if (end - durable >= durableEveryBytes) await makeDurable();
          }
          await makeDurable();
        } catch (error) {
          // What came before the connection broke is kept for a resume. A full disk keeps nothing new: the bytes
          // behind the last durable one are given back at once, for they are what filled it.
          if (isDiskFull(error)) await handle.truncate(durable).catch(() => undefined);
          else await makeDurable();
          throw error;
        }
        if (running.size < maxRunningHashes) running.set(id, { hash, end });
        return end;
      } catch (error) {
        throw asFault(error);
      } finally {
        await handle.close();
      }
    },

    async seal(id, offset, digest, at) {
      const from = uploadPath(id);
      const algorithm = algorithmOf(digest);
      const file = `${hexOf(digest)}.${id}`;
      const directory = dirname(pathOf(file));
      try {
        const handle = await openUpload(fs, from, offset);
        try {
          await handle.truncate(offset);
          const hash = await hashOf(id, handle, offset, algorithm);
          const found = contentDigestFrom(algorithm, hash.digest());
          if (found !== digest)
            throw new Fault(
              'invalid',
              'registry.digest_mismatch',
              `expected content with digest ${digest}, got ${found}`,
              { hint: 'the upload is dropped; send it again from the start' },
            );
          // A resumed upload may be days old; garbage collection judges a file without row by this time.
          await handle.utimes(at, at);
          await handle.sync();
        } finally {
          await handle.close();
        }
        await fs.mkdir(directory, { recursive: true, mode: 0o700 });
        await fs.rename(from, pathOf(file));
        await syncDirectory(directory);
        await syncDirectory(dirname(directory));
      } catch (error) {
        // Collected or cancelled in this very moment.
        if (codeOf(error) === 'ENOENT') throw uploadLost();
        throw asFault(error);
      }
      running.delete(id);
      return file;
    },

    async exists(file, sizeBytes) {
      try {
        return (await fs.stat(pathOf(file))).size === sizeBytes;
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return false;
        throw asFault(error);
      }
    },

    async *read(file, start, end) {
      let handle: FileHandle;
      try {
        handle = await fs.open(pathOf(file), 'r');
      } catch (cause) {
        throw new Fault('integrity', 'registry.blob_lost', 'expected the file of a stored blob, found none', {
          cause,
        });
      }
      try {
        yield* readRange(handle, start, end);
      } finally {
        await handle.close();
      }
    },

    async discardUpload(id) {
      running.delete(id);
      await unlinkIfThere(fs, uploadPath(id));
    },

    remove: (file) => unlinkIfThere(fs, pathOf(file)),

    async *list() {
      for (const algorithm of algorithms)
        for (const directory of await fs.readdir(join(blobs, algorithm))) {
          const found: Array<{ file: string; sealedAt: Date }> = [];
          for (const file of await fs.readdir(join(blobs, algorithm, directory))) {
            const path = join(blobs, algorithm, directory, file);
            if (!filePattern.test(file) || pathOf(file) !== path) continue;
            try {
              found.push({ file, sealedAt: (await fs.stat(path)).mtime });
            } catch (error) {
              if (codeOf(error) !== 'ENOENT') throw asFault(error);
            }
          }
          yield found;
        }
    },
  };
}

async function openUpload(fs: FileSystem, path: string, offset: number): Promise<FileHandle> {
  try {
    return await fs.open(path, offset === 0 ? 'w+' : 'r+', 0o600);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw uploadLost();
    throw asFault(error);
  }
}

async function unlinkIfThere(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw asFault(error);
  }
}

function checkFileId(id: string): string {
  if (!/^[a-z0-9_-]{1,80}$/.test(id)) throw uploadLost();
  return id;
}
