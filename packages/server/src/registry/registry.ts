import type { Audit, Clock, Db, Ids } from '#platform';
import { type Blobs, createBlobs } from './blobs/blobs.ts';
import { type FileSystem, nodeFileSystem } from './blobs/file-system.ts';
import { createBlobFiles } from './blobs/files.ts';
import { createGarbage, type Garbage } from './garbage.ts';
import { createManifests, type Manifests } from './manifests/manifests.ts';

export interface RegistryDeps {
  readonly db: Db;
  /** A directory of our own, on one file system: blobs come into place by rename. */
  readonly root: string;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly audit: Audit;
}

/** An immutable OCI registry: content by digest, tags that never move. It knows bytes, not meaning. */
export interface Registry extends Blobs, Manifests, Garbage {
  /** Makes the directories; once, before everything else. */
  open(): Promise<void>;
}

export function createRegistry(deps: RegistryDeps): Registry {
  return createRegistryOn(deps, nodeFileSystem);
}

/** The same on any file system. */
export function createRegistryOn(deps: RegistryDeps, fs: FileSystem): Registry {
  const files = createBlobFiles({ root: deps.root, fs });
  return {
    ...createBlobs({ ...deps, files }),
    ...createManifests(deps),
    ...createGarbage({ ...deps, files }),
    open: () => files.prepare(),
  };
}
