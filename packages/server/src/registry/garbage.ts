import { Fault } from '@sallyport/formats';
import type { Clock, Db } from '#platform';
import type { BlobFiles } from './blobs/files.ts';
import { blobStore } from './blobs/store.pg.ts';

export interface Collected {
  readonly uploads: number;
  readonly links: number;
  readonly blobs: number;
  /** Files that no row names: what crashes left. */
  readonly orphans: number;
}

export interface Garbage {
  /**
   * Removes what nothing refers to and nobody touched for `olderThanSeconds`, which must be longer than the longest
   * time between the upload of a blob and the push of its manifest. Safe beside uploads and pushes, also of other
   * replicas; one collection at a time in this process.
   */
  collectGarbage(options: { readonly olderThanSeconds: number }): Promise<Collected>;
}

export function createGarbage(deps: {
  readonly db: Db;
  readonly files: BlobFiles;
  readonly clock: Clock;
}): Garbage {
  const { db, files, clock } = deps;
  let running = false;
  /** A sealed file waits for its row for a moment; however short the grace asked for, it gets this long. */
  const orphanSeconds = 3600;

  async function collect(before: Date): Promise<Collected> {
    const uploads = await db.write((tx) => blobStore.deleteStaleUploads(tx, before));
    for (const id of uploads) await files.discardUpload(id);
    const links = await db.write((tx) => blobStore.deleteLooseLinks(tx, before));
    // The row goes first. A crash before the file follows leaves an orphan, found below the next time; the other order
    // could leave a row whose bytes are gone.
    const loose = await db.write((tx) => blobStore.deleteLooseBlobs(tx, before));
    for (const file of loose) await files.remove(file);
    let orphans = 0;
    const newest = clock.now().getTime() - orphanSeconds * 1000;
    for await (const batch of files.list()) {
      const old = batch
        .filter((each) => each.sealedAt < before && each.sealedAt.getTime() < newest)
        .map((each) => each.file);
      const known = await db.read((tx) => blobStore.knownFiles(tx, old));
      for (const file of old) {
        if (known.has(file)) continue;
        await files.remove(file);
        orphans += 1;
      }
    }
    return { uploads: uploads.length, links, blobs: loose.length, orphans };
  }

  return {
    async collectGarbage({ olderThanSeconds }) {
      if (!Number.isFinite(olderThanSeconds) || olderThanSeconds < 0)
        throw new Fault(
          'invalid',
          'registry.grace_invalid',
          'expected a grace period of zero seconds or more',
        );
      if (running) throw new Fault('conflict', 'registry.collecting', 'garbage is being collected already');
      running = true;
      try {
        return await collect(new Date(clock.now().getTime() - olderThanSeconds * 1000));
      } finally {
        running = false;
      }
    },
  };
}
