/** One record as it is held in memory: sealed, and for what is no secret also decoded. */
export interface HeldRecord {
  readonly sealed: Uint8Array;
  /** What `Codec.decode` gave, kept only where the codec says that it holds no secret. Never changed in place. */
  value: unknown;
}

/**
 * The records of one scope, by path, with the tree of their names. Owned by the lane: only a turn changes it, and only
 * one turn runs at a time.
 */
export interface Records {
  readonly size: number;
  get(path: string): HeldRecord | undefined;
  set(path: string, record: HeldRecord): void;
  delete(path: string): void;
  /** Names right below `directory` (empty, or ending with "/"), sorted; a name with more below it ends with "/". */
  children(directory: string): readonly string[];
  entries(): IterableIterator<[string, HeldRecord]>;
}

interface Directory {
  readonly names: Set<string>;
  /** Sorted names, until one comes or goes: a list of 100,000 is sorted once and not for each reader. */
  sorted: readonly string[] | undefined;
}

export function createRecords(): Records {
  const byPath = new Map<string, HeldRecord>();
  const directories = new Map<string, Directory>();

  function enter(path: string): void {
    let end = path.length;
    for (;;) {
      const slash = path.lastIndexOf('/', end - 1 - (path.charCodeAt(end - 1) === 47 ? 1 : 0));
      const parent = path.slice(0, slash + 1);
      const directory = directories.get(parent);
      const name = path.slice(slash + 1, end);
      if (directory !== undefined) {
        if (directory.names.has(name)) return;
        directory.names.add(name);
        directory.sorted = undefined;
        return;
      }
      directories.set(parent, { names: new Set([name]), sorted: undefined });
      if (parent === '') return;
      end = slash + 1;
    }
  }

  function leave(path: string): void {
    let end = path.length;
    for (;;) {
      const slash = path.lastIndexOf('/', end - 1 - (path.charCodeAt(end - 1) === 47 ? 1 : 0));
      const parent = path.slice(0, slash + 1);
      const directory = directories.get(parent);
      if (directory === undefined) return;
      directory.names.delete(path.slice(slash + 1, end));
      directory.sorted = undefined;
      if (directory.names.size > 0) return;
      directories.delete(parent);
      if (parent === '') return;
      end = slash + 1;
    }
  }

  return {
    get size() {
      return byPath.size;
    },
    get: (path) => byPath.get(path),
    set(path, record) {
      if (!byPath.has(path)) enter(path);
      byPath.set(path, record);
    },
    delete(path) {
      if (byPath.delete(path)) leave(path);
    },
    children(directory) {
      const found = directories.get(directory);
      if (found === undefined) return [];
      found.sorted ??= [...found.names].sort();
      return found.sorted;
    },
    entries: () => byPath.entries(),
  };
}
