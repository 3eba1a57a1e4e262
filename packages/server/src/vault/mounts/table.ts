import { type Codec, recordAt, type Turn } from '#journal';
import type { Mount } from './mount.ts';

/** All mounts of the installation: one record, because a request needs them together and changes are rare. */
export interface MountTable {
  readonly mounts: readonly Mount[];
  /** The mount whose path is the longest beginning of `path`. */
  find(path: string): Mount | undefined;
  at(path: string): Mount | undefined;
  byAccessor(accessor: string): Mount | undefined;
  /** The first mount whose path `path` begins or that begins with `path`, for refusing overlapping mounts. */
  conflict(path: string): Mount | undefined;
}

const record = recordAt('core/mounts');

const codec: Codec<MountTable> = {
  kept: true,
  decode: (bytes) => tableOf(JSON.parse(bytes.toString('utf8')) as readonly Mount[]),
  encode: (table) => Buffer.from(JSON.stringify(table.mounts)),
};

const noMounts = tableOf([]);

export function mountsOf(turn: Turn): MountTable {
  return turn.space('system').read(record, codec) ?? noMounts;
}

export function writeMounts(turn: Turn, mounts: readonly Mount[]): void {
  turn.space('system').write(record, codec, tableOf(mounts));
}

function tableOf(mounts: readonly Mount[]): MountTable {
  const byPath = new Map(mounts.map((mount) => [mount.path, mount]));
  const byAccessor = new Map(mounts.map((mount) => [mount.accessor, mount]));
  const longest = Math.max(0, ...mounts.map((mount) => mount.path.length));
  return {
    mounts,
    at: (path) => byPath.get(path),
    byAccessor: (accessor) => byAccessor.get(accessor),
    find(path) {
      // From the longest beginning that could be one down; a mount's own path without its slash is the mount, too.
      const whole = path.length < longest ? byPath.get(`${path}/`) : undefined;
      if (whole !== undefined) return whole;
      for (
        let slash = path.lastIndexOf('/', longest - 1);
        slash > 0;
        slash = path.lastIndexOf('/', slash - 1)
      ) {
        const mount = byPath.get(path.slice(0, slash + 1));
        if (mount !== undefined) return mount;
      }
      return undefined;
    },
    conflict: (path) => mounts.find((mount) => mount.path.startsWith(path) || path.startsWith(mount.path)),
  };
}
