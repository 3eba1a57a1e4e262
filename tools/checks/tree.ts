import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The files a check looks at: those that git tracks, or a made-up set in a test. */
export interface Tree {
  readonly files: readonly string[];
  read(path: string): string;
}

/** A rule of this repository: gives one line per problem, none when all is well. */
export type Check = (tree: Tree) => readonly string[];

export function gitTree(root: string): Tree {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  // A file that is listed but was deleted in the work tree is none.
  return { files: output.split('\0').filter((path) => path !== '' && exists(read, path)), read };
}

function exists(read: (path: string) => string, path: string): boolean {
  try {
    read(path);
    return true;
  } catch {
    return false;
  }
}

export function madeTree(contents: Readonly<Record<string, string>>): Tree {
  return { files: Object.keys(contents), read: (path) => contents[path] ?? '' };
}

export const isCode = (path: string): boolean => /\.(ts|tsx|mjs|js)$/.test(path);
export const isTest = (path: string): boolean =>
  /\.(test|contract|fixture)\.ts$/.test(path) || /(^|\/)(tests|test-support|bench)\//.test(path);
