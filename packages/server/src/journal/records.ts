import type { KeptValues } from './kept-values.ts';
import { type RecordAt, type RecordPath, recordAt } from './record-at.ts';
import type { Slabs } from './slabs.ts';

/** A record as it was when it was looked up. */
export interface HeldRecord {
  readonly sealed: Uint8Array;
  /** What `Codec.decode` gave, kept only where the codec says that it holds no secret, and for some time only. */
  readonly value: unknown;
}

/**
 * The records of one scope, by path, with the tree of their names. Owned by the lane: only a turn changes it, and only
 * one turn runs at a time.
 */
export interface Records {
  readonly size: number;
  has(path: RecordPath): boolean;
  get(path: RecordPath): HeldRecord | undefined;
  /** The kept value alone, for whoever needs the bytes only if there is none. */
  valueOf(path: RecordPath): unknown;
  /** Keeps a value of a record that is there; nothing changes it in place. */
  keep(path: RecordPath, value: unknown): void;
  /** Both give the record that was there. */
  set(path: RecordPath, record: HeldRecord): HeldRecord | undefined;
  delete(path: RecordPath): HeldRecord | undefined;
  /** Names right below `directory` (empty, or ending with "/"), sorted; a name with more below it ends with "/". */
  children(directory: string): readonly string[];
  /** For a walk that may go on while records change; one that is set meanwhile may be missed. */
  entries(): IterableIterator<[path: string, sealed: Uint8Array]>;
}

interface Directory {
  /** By the rest of their path: the number of the record, `noRecord` for a directory that is none. */
  readonly names: Map<string, number>;
  /** Sorted names, until one comes or goes: a list of 100,000 is sorted once and not for each reader. */
  sorted: readonly string[] | undefined;
}

const noRecord = -1;
/** Paths whose place is remembered: a megabyte of them at most. */
const maxRecent = 8192;

/**
 * Every path, that of a directory too, stands in its parent by its name there: `a/b` as `b` in `a/`, and `a/` as itself
 * in the empty one. So what many paths begin with is in memory once. Bytes and kept values may be shared with other
 * scopes.
 */
export function createRecords(slabs: Slabs, values: KeptValues): Records {
  const directories = new Map<string, Directory>();
  /** What `find` gave for paths that were asked for lately: to cut a path in two takes as long as all else. */
  const recent = new Map<string, number>();
  let size = 0;

  /** The number of the record, `noRecord` when there is none. */
  function find(path: RecordPath): number {
    if (typeof path !== 'string') return findCut(path);
    const known = recent.get(path);
    if (known !== undefined) return known;
    const number = findCut(recordAt(path));
    // Only of records: a path that leads nowhere may be a secret that somebody tried.
    if (number === noRecord) return noRecord;
    if (recent.size >= maxRecent) recent.clear();
    recent.set(path, number);
    return number;
  }

  function findCut({ directory, name }: RecordAt): number {
    return directories.get(directory)?.names.get(name) ?? noRecord;
  }

  /** The directory of this path, made if there is none: it stands in its own parent then. */
  function directoryAt(path: string): Directory {
    let directory = directories.get(path);
    if (directory === undefined) {
      directory = { names: new Map(), sorted: undefined };
      directories.set(ownText(path), directory);
      if (path !== '') {
        const at = recordAt(path);
        const parent = directoryAt(at.directory);
        if (!parent.names.has(at.name)) enter(parent, at.name, noRecord);
      }
    }
    return directory;
  }

  function enter(directory: Directory, name: string, number: number): void {
    directory.names.set(ownText(name), number);
    directory.sorted = undefined;
  }

  /** The path is no record any more. */
  function leave(at: RecordAt): void {
    for (let child = at; child.path !== ''; child = recordAt(child.directory)) {
      const { name } = child;
      const directory = directories.get(child.directory);
      if (directory === undefined) return;
      if (directories.has(child.path)) {
        // `a/` may be a record and a directory: its name stays as long as it is one of them.
        directory.names.set(name, noRecord);
        return;
      }
      directory.names.delete(name);
      directory.sorted = undefined;
      if (directory.names.size > 0) return;
      directories.delete(child.directory);
      if (findCut(recordAt(child.directory)) !== noRecord) return;
    }
  }

  function heldAt(number: number): HeldRecord | undefined {
    return number === noRecord ? undefined : { sealed: slabs.get(number), value: values.get(number) };
  }

  return {
    get size() {
      return size;
    },
    has: (path) => find(path) !== noRecord,
    get: (path) => heldAt(find(path)),
    valueOf: (path) => values.get(find(path)),
    keep(path, value) {
      const number = find(path);
      if (number !== noRecord) values.set(number, value, slabs.get(number).length);
    },
    set(path, { sealed, value }) {
      const at = typeof path === 'string' ? recordAt(path) : path;
      const directory = directoryAt(at.directory);
      const { name } = at;
      const entered = directory.names.get(name);
      const before = entered === undefined ? undefined : heldAt(entered);
      let number = entered ?? noRecord;
      if (before === undefined) {
        number = slabs.add(sealed);
        // While a server loads, it is empty, and a needless delete takes as long as the rest.
        if (entered === undefined) enter(directory, name, number);
        else directory.names.set(name, number);
        size += 1;
      } else {
        slabs.replace(number, sealed);
        values.delete(number);
      }
      if (value !== undefined) values.set(number, value, sealed.length);
      return before;
    },
    delete(path) {
      const number = find(path);
      const before = heldAt(number);
      if (before === undefined) return undefined;
      slabs.remove(number);
      values.delete(number);
      const at = typeof path === 'string' ? recordAt(path) : path;
      recent.delete(at.path);
      leave(at);
      size -= 1;
      return before;
    },
    children(directory) {
      const found = directories.get(directory);
      if (found === undefined) return [];
      found.sorted ??= sorted(found.names.keys());
      return found.sorted;
    },
    *entries() {
      for (const [parent, { names }] of directories) {
        for (const [name, number] of names) {
          if (number !== noRecord) yield [parent + name, slabs.get(number)];
        }
      }
    },
  };
}

/** Shorter ones V8 copies by itself. */
const leastTied = 13;

/** The same text, with no tie to a longer one that it was cut out of and would keep in memory. */
function ownText(text: string): string {
  return text.length < leastTied ? text : Buffer.from(text).toString();
}

const beyondBasicPlane = /[\ud800-\udfff]/;

/** In the order of their UTF-8 bytes, as Vault lists them. UTF-16 differs from it only beyond the basic plane. */
function sorted(names: Iterable<string>): readonly string[] {
  const all = [...names].sort();
  if (!all.some((name) => beyondBasicPlane.test(name))) return all;
  return all.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
