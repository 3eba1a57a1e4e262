/**
 * A path that was cut in front of its last name. Whoever asks for one record again and again, or for many of one
 * directory, keeps what stays the same: to put a path together, to cut it and to hash its parts takes longer than to find
 * the record.
 */
export interface RecordAt {
  readonly path: string;
  /** Empty, or ending with a slash. */
  readonly directory: string;
  readonly name: string;
}

export type RecordPath = string | RecordAt;

export function recordAt(path: string): RecordAt {
  // Behind the last slash that something follows: `a/b` and `a/b/` stand in `a/`.
  const cut = path.length < 2 ? 0 : path.lastIndexOf('/', path.length - 2) + 1;
  return { path, directory: path.slice(0, cut), name: path.slice(cut) };
}

/** `directory` ends with a slash. A name with slashes of its own is below another directory. */
export function recordIn(directory: string, name: string): RecordAt {
  const path = directory + name;
  return name === '' || name.includes('/') ? recordAt(path) : { path, directory, name };
}

export function pathOf(path: RecordPath): string {
  return typeof path === 'string' ? path : path.path;
}
