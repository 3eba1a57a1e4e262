import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { constants, lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFromHash } from '@sallyport/formats';
import { modeOf, type Tree, type TreeEntry } from './tree.ts';

/** A difference between a release on disk and the image. */
export interface Difference {
  readonly kind: 'file-changed' | 'file-missing' | 'file-added';
  readonly path: string;
  readonly expected: string;
  readonly found: string;
}

/** What a file looked like when its bytes were last hashed. The change time cannot be set by who writes the file. */
type Stamp = string;
const stampOf = (stat: Stats): Stamp => `${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`;

/** Files looked at side by side: one after the other, most of the time is spent waiting. */
const atOnce = 16;
/** Nothing useful is learnt from more. */
const maxDifferences = 100;

export interface Inspector {
  /**
   * Compares the release on disk with the image. A file is hashed again when anything about it changed since it was
   * last, and a further part of the unchanged ones each time, up to `hashBytes`, so that all are in turn: a change of
   * the disk underneath leaves no trace in the metadata.
   */
  inspect(hashBytes: number): Promise<readonly Difference[]>;
}

/** Watches one unpacked release. Remembers in memory what it hashed; a fresh one starts by hashing everything. */
export function createInspector(root: string, tree: Tree): Inspector {
  const stamps = new Map<string, Stamp>();
  let next = 0;

  async function check(
    entry: TreeEntry,
    mayHash: (sizeBytes: number) => boolean,
  ): Promise<Difference | undefined> {
    const path = join(root, entry.path);
    let stat: Stats;
    try {
      stat = await lstat(path);
    } catch {
      return { kind: 'file-missing', path: entry.path, expected: describe(entry), found: 'nothing' };
    }
    const differs = (found: string): Difference => {
      stamps.delete(entry.path);
      return { kind: 'file-changed', path: entry.path, expected: describe(entry), found };
    };
    const type = typeOf(stat);
    if (type !== entry.type) return differs(type);
    if (entry.type === 'symlink') {
      const target = await readlink(path);
      return target === entry.target ? undefined : differs(`link to ${target}`);
    }
    const mode = stat.mode & 0o7777;
    if (mode !== modeOf(entry)) return differs(`mode ${mode.toString(8)}`);
    if (entry.type === 'directory') return undefined;
    if (stat.size !== entry.sizeBytes) return differs(`${stat.size} bytes`);
    const stamp = stampOf(stat);
    if (stamps.get(entry.path) === stamp && !mayHash(entry.sizeBytes)) return undefined;
    const digest = await hashFile(path, stat.size);
    if (digest !== entry.digest) return differs(digest);
    stamps.set(entry.path, stamp);
    return undefined;
  }

  return {
    async inspect(hashBytes) {
      const found: Difference[] = [];
      let budget = hashBytes;
      // Begins where the last inspection ran out of budget, and goes round.
      const start = next;
      const mayHash = (position: number) => (sizeBytes: number) => {
        if (budget <= 0) return false;
        budget -= sizeBytes;
        next = (position + 1) % tree.length;
        return true;
      };
      for (let step = 0; step < tree.length && found.length < maxDifferences; step += atOnce) {
        const positions = Array.from(
          { length: Math.min(atOnce, tree.length - step) },
          (_, offset) => (start + step + offset) % tree.length,
        );
        const checks = positions.map(async (position) => {
          const entry = tree[position];
          return entry === undefined ? undefined : await check(entry, mayHash(position));
        });
        for (const difference of await Promise.all(checks)) {
          if (difference !== undefined) found.push(difference);
        }
      }
      found.push(...(await additions(root, tree)));
      return found.slice(0, maxDifferences);
    },
  };
}

async function additions(root: string, tree: Tree): Promise<readonly Difference[]> {
  const known = new Set(tree.map((entry) => entry.path));
  const found: Difference[] = [];
  const pending = [''];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    let names: readonly { readonly name: string; isDirectory(): boolean }[];
    try {
      names = await readdir(join(root, directory), { withFileTypes: true });
    } catch {
      continue; // Gone, or no directory any more; the comparison above says so.
    }
    for (const entry of names) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (!known.has(path)) {
        found.push({
          kind: 'file-added',
          path,
          expected: 'nothing',
          found: entry.isDirectory() ? 'directory' : 'file',
        });
      } else if (entry.isDirectory()) {
        pending.push(path);
      }
      if (found.length >= maxDifferences) return found;
    }
  }
  return found;
}

/** `sizeBytes` is what it was a moment ago and chooses the buffer only: all there is now is hashed. */
async function hashFile(path: string, sizeBytes: number): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(256 * 1024, sizeBytes + 1));
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return digestFromHash(hash.digest());
}

function typeOf(stat: Stats): TreeEntry['type'] | 'something else' {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'symlink' : 'something else';
}

function describe(entry: TreeEntry): string {
  if (entry.type === 'file') return entry.digest;
  return entry.type === 'symlink' ? `link to ${entry.target}` : 'directory';
}
