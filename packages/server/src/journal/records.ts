/** One record as it is held in memory: sealed, and for what is no secret also decoded. */
export interface HeldRecord {
  /** The sealed bytes, one per character: half the memory of a Buffer each, and no slab that one record keeps alive. */
  readonly sealed: string;
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
  /** Gives the record that was there. */
  set(path: string, record: HeldRecord): HeldRecord | undefined;
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

/** Every path, that of a directory too, stands in its parent: `a/b` in `a/`, and `a/` in the empty one. */
export function createRecords(): Records {
  const byPath = new Map<string, HeldRecord>();
  const directories = new Map<string, Directory>();

  function enter(path: string): void {
    for (let child = path; child !== ''; ) {
      const parent = parentOf(child);
      const directory = directories.get(parent);
      const name = child.slice(parent.length);
      if (directory !== undefined) {
        if (directory.names.has(name)) return;
        directory.names.add(name);
        directory.sorted = undefined;
        return;
      }
      directories.set(parent, { names: new Set([name]), sorted: undefined });
      child = parent;
    }
  }

  function leave(path: string): void {
    for (let child = path; child !== ''; ) {
      // `a/` may be a record and a directory: its name stays as long as it is one of them.
      if (byPath.has(child) || directories.has(child)) return;
      const parent = parentOf(child);
      const directory = directories.get(parent);
      if (directory === undefined) return;
      directory.names.delete(child.slice(parent.length));
      directory.sorted = undefined;
      if (directory.names.size > 0) return;
      directories.delete(parent);
      child = parent;
    }
  }

  return {
    get size() {
      return byPath.size;
    },
    get: (path) => byPath.get(path),
    set(path, record) {
      const before = byPath.get(path);
      if (before === undefined) enter(path);
      byPath.set(path, record);
      return before;
    },
    delete(path) {
      if (byPath.delete(path)) leave(path);
    },
    children(directory) {
      const found = directories.get(directory);
      if (found === undefined) return [];
      found.sorted ??= sorted(found.names);
      return found.sorted;
    },
    entries: () => byPath.entries(),
  };
}

/** Up to the last slash that something follows: of `a/b` and of `a/b/` it is `a/`. */
function parentOf(path: string): string {
  return path.length < 2 ? '' : path.slice(0, path.lastIndexOf('/', path.length - 2) + 1);
}

const beyondBasicPlane = /[\ud800-\udfff]/;

/** In the order of their UTF-8 bytes, as Vault lists them. UTF-16 differs from it only beyond the basic plane. */
function sorted(names: ReadonlySet<string>): readonly string[] {
  const all = [...names].sort();
  if (!all.some((name) => beyondBasicPlane.test(name))) return all;
  return all.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
