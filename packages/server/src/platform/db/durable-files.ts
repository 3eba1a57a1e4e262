import { fdatasyncSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';
import { syncPath } from './sync-tree.ts';

/**
 * PGlite as shipped never syncs: a commit is in the page cache only, and a power loss takes acknowledged commits
 * with it. Three things together give exactly one `fdatasync` per commit: start parameters without `-F` (which
 * turns fsync off), a sync method that the WASM build really calls, and a file system whose `fsync` does it.
 * A test counts the system calls.
 */
export const durableStartParams: readonly string[] = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  '-c',
  'wal_sync_method=fsync',
  // The default of 128 MB makes the process grow to over 500 MB; with 4 MB the operating system's cache does the work.
  '-c',
  'shared_buffers=4MB',
];

export const memoryStartParams: readonly string[] = [
  ...PGlite.defaultStartParams,
  '-c',
  'shared_buffers=4MB',
];

/** The part of Emscripten's module that is touched here; PGlite's own types leave it untyped. */
interface EmscriptenModule {
  NODEFS: {
    stream_ops: { fsync?: (stream: FileStream) => number };
    realPath(node: unknown): string;
  };
}

interface FileStream {
  /** Node's descriptor; directories have none. */
  readonly nfd: number | undefined;
  readonly node: unknown;
}

// WASI errno of EIO: PostgreSQL panics on a failed fsync, as it must, and nothing more is acknowledged.
const inputOutputError = 29;

/** A data directory whose `fsync` reaches the disk. `onSync` is told of each, for counting. */
export class DurableNodeFs extends NodeFS {
  readonly #onSync: () => void;

  constructor(directory: string, onSync: () => void) {
    super(directory);
    this.#onSync = onSync;
  }

  override async init(
    pg: Parameters<NodeFS['init']>[0],
    options: Parameters<NodeFS['init']>[1],
  ): ReturnType<NodeFS['init']> {
    const made = await super.init(pg, options);
    const onSync = this.#onSync;
    const patch = (module: unknown): void => {
      // Emscripten's NODEFS is present in the NodeFS build of PGlite; a build without it fails here, at start.
      const { NODEFS } = module as EmscriptenModule;
      NODEFS.stream_ops.fsync = (stream) => {
        try {
          if (stream.nfd === undefined) syncPath(NODEFS.realPath(stream.node));
          else fdatasyncSync(stream.nfd);
          onSync();
          return 0;
        } catch {
          // Thrown through WASM it would leave the engine in the middle of a call; as an error number it is handled.
          return inputOutputError;
        }
      };
    };
    return {
      emscriptenOpts: { ...made.emscriptenOpts, preRun: [patch, ...(made.emscriptenOpts.preRun ?? [])] },
    };
  }
}
