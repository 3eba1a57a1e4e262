import { Fault } from '@sallyport/formats';
import type { Actor, Clock, Db, Ids } from '#platform';
import { systemActor } from '#platform';
import { type ContentDigest, contentDigestOf } from '../content-digest.ts';
import { checkRepository } from '../names.ts';
import type { BlobFiles } from './files.ts';
import { blobStore } from './store.pg.ts';
import type { Blob, Upload } from './store.ts';

export type Body = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface OpenBlob {
  readonly digest: ContentDigest;
  readonly sizeBytes: number;
  /** The bytes from `start` to `end`, both inclusive; all of them when absent. */
  stream(start?: number, end?: number): AsyncIterable<Uint8Array>;
}

export interface Blobs {
  startUpload(actor: Actor, repository: string): Promise<Upload>;
  /** The upload of exactly this repository and caller, or `registry.upload_unknown`. */
  getUpload(actor: Actor, repository: string, id: string): Promise<Upload>;
  /** Adds `body` at `start` (at the end when absent); what arrived survives a broken connection and a crash. */
  append(actor: Actor, repository: string, id: string, body: Body, start?: number): Promise<Upload>;
  /** Verifies the digest, stores and links the blob. A wrong digest drops the upload. */
  finishUpload(actor: Actor, repository: string, id: string, digest: ContentDigest): Promise<Blob>;
  cancelUpload(actor: Actor, repository: string, id: string): Promise<void>;
  /** Links a blob that `from` has; false when it has not. That the caller may read `from` was checked before. */
  mount(repository: string, from: string, digest: ContentDigest): Promise<boolean>;
  /** At most 20 repositories that have the blob, for a mount that names none. Whether the caller may read them is theirs to ask. */
  repositoriesWith(digest: ContentDigest): Promise<readonly string[]>;
  putBlob(repository: string, bytes: Uint8Array): Promise<Blob>;
  openBlob(repository: string, digest: ContentDigest): Promise<OpenBlob>;
  /** Takes the blob out of the repository, unless a manifest there refers to it. */
  deleteBlob(repository: string, digest: ContentDigest): Promise<void>;
}

/** Each costs a decision of the policies. */
const maxMountSources = 20;
export const maxBlobBytes = 10 * 1024 * 1024 * 1024;

export function createBlobs(deps: {
  readonly db: Db;
  readonly files: BlobFiles;
  readonly clock: Clock;
  readonly ids: Ids;
}): Blobs {
  const { db, files, clock, ids } = deps;
  /** Uploads being written by this process; a second writer is refused rather than interleaved. */
  const busy = new Set<string>();

  async function alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    if (busy.has(id))
      throw new Fault('conflict', 'registry.upload_busy', 'another request is writing to this upload');
    busy.add(id);
    try {
      return await work();
    } finally {
      busy.delete(id);
    }
  }

  async function getUpload(actor: Actor, repository: string, id: string): Promise<Upload> {
    const upload = await db.read((tx) => blobStore.findUpload(tx, id));
    if (upload === undefined || upload.repository !== repository || upload.actorId !== actor.id)
      throw unknownUpload();
    return upload;
  }

  async function append(upload: Upload, body: Body): Promise<Upload> {
    let durable = upload.offsetBytes;
    await files.receive(upload.id, durable, body, { maxBytes: maxBlobBytes }, async (end) => {
      const moved = await db.write((tx) => blobStore.moveUpload(tx, upload.id, durable, end, clock.now()));
      // Collected as stale, cancelled, or written by another replica: our bytes must not be taken for its.
      if (!moved) throw unknownUpload();
      durable = end;
    });
    return { ...upload, offsetBytes: durable };
  }

  async function finish(upload: Upload, digest: ContentDigest): Promise<Blob> {
    let file: string;
    try {
      file = await files.seal(upload.id, upload.offsetBytes, digest, clock.now());
    } catch (error) {
      if (error instanceof Fault && error.code === 'registry.digest_mismatch') await drop(upload.id);
      throw error;
    }
    // A crash here leaves a sealed file without a row; the client sends the blob again, collection removes the file.
    const mine: Blob = { digest, sizeBytes: upload.offsetBytes, file };
    const stored = await db.write(async (tx) => {
      const row = await blobStore.upsertBlob(tx, mine, clock.now());
      await blobStore.link(tx, upload.repository, digest, clock.now());
      await blobStore.deleteUpload(tx, upload.id);
      return row;
    });
    if (stored.file === file) return stored;
    if (await files.exists(stored.file, stored.sizeBytes)) {
      await files.remove(file);
      return stored;
    }
    // The file that was there is lost: the verified bytes just sent heal it.
    await db.write((tx) => blobStore.replaceFile(tx, digest, file));
    return mine;
  }

  async function drop(id: string): Promise<void> {
    await db.write((tx) => blobStore.deleteUpload(tx, id));
    await files.discardUpload(id);
  }

  const startUpload: Blobs['startUpload'] = async (actor, repository) => {
    const upload = {
      id: ids.next('upl'),
      repository: checkRepository(repository),
      actorId: actor.id,
      offsetBytes: 0,
    };
    await db.write((tx) => blobStore.insertUpload(tx, upload, clock.now()));
    return upload;
  };

  return {
    startUpload,
    getUpload,

    append: (actor, repository, id, body, start) =>
      alone(id, async () => {
        const upload = await getUpload(actor, repository, id);
        if (start !== undefined && start !== upload.offsetBytes)
          throw new Fault(
            'invalid',
            'registry.range_invalid',
            `expected a chunk that starts at byte ${upload.offsetBytes}, got ${start}`,
            { details: { offsetBytes: upload.offsetBytes } },
          );
        return await append(upload, body);
      }),

    finishUpload: (actor, repository, id, digest) =>
      alone(id, async () => finish(await getUpload(actor, repository, id), digest)),

    cancelUpload: (actor, repository, id) =>
      alone(id, async () => {
        await getUpload(actor, repository, id);
        await drop(id);
      }),

    mount: (repository, from, digest) => {
      checkRepository(repository);
      return db.write(async (tx) => {
        if ((await blobStore.find(tx, from, digest)) === undefined) return false;
        return await blobStore.link(tx, repository, digest, clock.now());
      });
    },

    repositoriesWith: (digest) => db.read((tx) => blobStore.linkedIn(tx, digest, maxMountSources)),

    async putBlob(repository, bytes) {
      const upload = await startUpload(systemActor, repository);
      try {
        return await finish(await append(upload, [bytes]), contentDigestOf('sha256', bytes));
      } catch (error) {
        await drop(upload.id).catch(() => undefined);
        throw error;
      }
    },

    async openBlob(repository, digest) {
      const blob = await db.read((tx) => blobStore.find(tx, repository, digest));
      if (blob === undefined) throw unknownBlob(digest);
      return {
        digest: blob.digest,
        sizeBytes: blob.sizeBytes,
        stream: (start = 0, end = blob.sizeBytes - 1) => files.read(blob.file, start, end),
      };
    },

    async deleteBlob(repository, digest) {
      await db.write(async (tx) => {
        if ((await blobStore.find(tx, repository, digest)) === undefined) throw unknownBlob(digest);
        if (!(await blobStore.unlink(tx, repository, digest)))
          throw new Fault('conflict', 'registry.in_use', `a manifest of "${repository}" refers to ${digest}`);
      });
    },
  };
}

function unknownUpload(): Fault {
  return new Fault('not_found', 'registry.upload_unknown', 'expected an upload in progress, found none', {
    hint: 'start the upload again',
  });
}

function unknownBlob(digest: ContentDigest): Fault {
  return new Fault(
    'not_found',
    'registry.blob_unknown',
    `expected a blob of the repository, found no ${digest}`,
  );
}
