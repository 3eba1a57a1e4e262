import { createHash } from 'node:crypto';
import { chmod, type FileHandle, link, lstat, mkdir, open, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import {
  type Digest,
  digestFromHash,
  Fault,
  mediaTypes,
  readTar,
  type TarReadEntry,
} from '@sallyport/formats';
import { modeOf, type Tree, type TreeEntry } from './tree.ts';
import { createWriting, type Writing } from './writing.ts';

export interface Layer {
  readonly digest: Digest;
  readonly diffId: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface UnpackLimits {
  /** Of all layers together, unpacked: what a small compressed bomb may become. */
  readonly maxBytes: number;
  readonly maxEntries: number;
}

export const defaultUnpackLimits: UnpackLimits = { maxBytes: 4 * 1024 ** 3, maxEntries: 200_000 };

const whiteoutPrefix = '.wh.';
const opaqueMarker = '.wh..wh..opq';

/**
 * Unpacks layers, bottom first, into the empty directory `root`, which nobody else may touch meanwhile. Every layer's
 * compressed and plain bytes are compared with the digests the manifest and config give, before the tree is returned;
 * until then nothing in `root` may be used. Files are made anew and never written through a link.
 */
export async function unpack(
  layers: readonly Layer[],
  root: string,
  limits: UnpackLimits = defaultUnpackLimits,
): Promise<Tree> {
  const entries = new Map<string, TreeEntry>();
  const writing = createWriting();
  let room = limits.maxBytes;
  for (const layer of layers) {
    const compressed = hashing(layer.bytes, layer.sizeBytes);
    const plain = hashing(plainBytes(layer.mediaType, compressed.bytes), room + 1024 ** 3);
    const made = new Set<string>();
    const tarLimits = {
      maxBytes: room,
      maxEntries: limits.maxEntries - entries.size,
      links: 'rooted',
    } as const;
    try {
      for await (const entry of readTar(plain.bytes, tarLimits)) {
        room -= entry.sizeBytes;
        await apply(root, entries, entry, made, writing);
      }
      await writing.done();
    } finally {
      // Whoever clears up after a failure must not meet a file that is still being made.
      await writing.settled();
    }
    expectDigest('layer', layer.digest, compressed.digest());
    expectDigest('unpacked layer', layer.diffId, plain.digest());
  }
  const tree = [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  // Bottom up: a directory without write permission could not be filled.
  for (const entry of tree.toReversed()) {
    if (entry.type !== 'symlink') await chmod(join(root, entry.path), modeOf(entry));
  }
  return tree;
}

/** Passes bytes on and hashes them; more than `maxBytes` are refused as they come. */
function hashing(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
): { readonly bytes: AsyncIterable<Uint8Array>; digest(): Digest } {
  const hash = createHash('sha256');
  let count = 0;
  async function* pass(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      count += chunk.length;
      if (count > maxBytes)
        throw new Fault('exhausted', 'deploy.layer_size', `expected at most ${maxBytes} bytes, got more`);
      hash.update(chunk);
      yield chunk;
    }
  }
  return { bytes: pass(), digest: () => digestFromHash(hash.digest()) };
}

function plainBytes(mediaType: string, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (mediaType === mediaTypes.ociLayer) return bytes;
  if (mediaType !== mediaTypes.ociLayerGzip && mediaType !== mediaTypes.dockerLayerGzip) {
    throw new Fault(
      'invalid',
      'deploy.layer_type',
      `expected a tar or gzip layer, got ${JSON.stringify(mediaType)}`,
    );
  }
  return gunzip(bytes);
}

async function* gunzip(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  // An error of the source ends the stream, and so comes out of the iteration below.
  const stream = pipeline(Readable.from(bytes), createGunzip({ chunkSize: 1 << 20 }), () => undefined);
  try {
    for await (const chunk of stream) yield chunk;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault('invalid', 'deploy.layer_gzip', 'expected a gzip stream, got something else', {
      cause: error,
    });
  }
}

async function apply(
  root: string,
  entries: Map<string, TreeEntry>,
  entry: TarReadEntry,
  made: Set<string>,
  writing: Writing,
): Promise<void> {
  const name = entry.path.slice(entry.path.lastIndexOf('/') + 1);
  const parent = parentOf(entry.path);
  // What removes or links must find everything before it written.
  const known = entries.get(entry.path);
  if (known !== undefined || entry.type !== 'file' || name.startsWith(whiteoutPrefix)) await writing.done();
  // Of the layers below only: a layer cannot whiten out what it brings itself.
  if (name === opaqueMarker) return removeBelow(root, entries, parent, made);
  if (name.startsWith(whiteoutPrefix)) {
    const target = name.slice(whiteoutPrefix.length);
    if (target === '' || target === '.' || target === '..') throw badWhiteout(entry.path);
    const path = parent === '' ? target : `${parent}/${target}`;
    return made.has(path) ? undefined : remove(root, entries, path);
  }

  await makeParents(root, entries, parent);
  const path = join(root, entry.path);
  if (known !== undefined && !(known.type === 'directory' && entry.type === 'directory')) {
    await remove(root, entries, entry.path);
  }
  for (let at = entry.path; at !== '' && !made.has(at); at = parentOf(at)) made.add(at);
  if (entry.type === 'directory') {
    if (known?.type !== 'directory') await mkdir(path, { mode: 0o755 });
    entries.set(entry.path, { path: entry.path, type: 'directory' });
  } else if (entry.type === 'symlink') {
    await symlink(entry.linkTarget ?? '', path);
    entries.set(entry.path, { path: entry.path, type: 'symlink', target: entry.linkTarget ?? '' });
  } else if (entry.type === 'hardlink') {
    const source = entries.get(entry.linkTarget ?? '');
    if (source?.type !== 'file') throw badEntry(entry.path, 'a hard link to a file');
    await link(join(root, source.path), path);
    entries.set(entry.path, { ...source, path: entry.path });
  } else {
    entries.set(entry.path, await writeFile(path, entry, writing));
  }
}

/** A file of this size or less is held whole and written beside others. */
const smallBytes = 128 * 1024;

async function writeFile(path: string, entry: TarReadEntry, writing: Writing): Promise<TreeEntry> {
  const hash = createHash('sha256');
  if (entry.sizeBytes <= smallBytes) {
    const bytes = await entry.bytes();
    await writing.add(() => writeNew(path, entry.mtimeSeconds, (file) => file.writeFile(bytes)));
    hash.update(bytes);
  } else {
    await writeNew(path, entry.mtimeSeconds, async (file) => {
      for await (const chunk of entry.body) {
        hash.update(chunk);
        await file.write(chunk);
      }
    });
  }
  return {
    path: entry.path,
    type: 'file',
    digest: digestFromHash(hash.digest()),
    sizeBytes: entry.sizeBytes,
    executable: (entry.mode & 0o111) !== 0,
  };
}

async function writeNew(
  path: string,
  mtimeSeconds: number,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  // wx: never through a link or onto a file that is already there.
  const file = await open(path, 'wx', 0o600);
  try {
    await write(file);
    // Not synced: thousands of syncs would take longer than everything else, and what a power cut leaves unwritten is
    // found when the next start hashes every file (`Releases.open`), and fetched again.
    await file.utimes(mtimeSeconds, mtimeSeconds);
  } finally {
    await file.close();
  }
}

async function makeParents(root: string, entries: Map<string, TreeEntry>, parent: string): Promise<void> {
  if (parent === '') return;
  const known = entries.get(parent);
  // A lower layer may have made it a link: `app -> /etc` below, `app/passwd` above.
  if (known !== undefined && known.type !== 'directory') throw badEntry(parent, 'a directory');
  if (known !== undefined) return;
  await makeParents(root, entries, parentOf(parent));
  await mkdir(join(root, parent), { mode: 0o755 });
  entries.set(parent, { path: parent, type: 'directory' });
}

async function remove(root: string, entries: Map<string, TreeEntry>, path: string): Promise<void> {
  const known = entries.get(path);
  if (known === undefined) return;
  await rm(join(root, path), { recursive: true, force: true });
  entries.delete(path);
  for (const each of entries.keys()) if (each.startsWith(`${path}/`)) entries.delete(each);
}

async function removeBelow(
  root: string,
  entries: Map<string, TreeEntry>,
  parent: string,
  keep: ReadonlySet<string>,
): Promise<void> {
  for (const each of [...entries.keys()]) {
    const below = parent === '' || each.startsWith(`${parent}/`);
    if (below && !keep.has(each)) await remove(root, entries, each);
  }
}

function parentOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}

export function expectDigest(what: string, expected: Digest, found: Digest): void {
  if (expected !== found) {
    throw new Fault('integrity', 'deploy.digest', `expected ${what} ${expected}, got ${found}`);
  }
}

function badEntry(path: string, expected: string): Fault {
  return new Fault(
    'invalid',
    'deploy.layer_entry',
    `expected ${expected} at ${JSON.stringify(path)} in the layers`,
  );
}

function badWhiteout(path: string): Fault {
  return new Fault(
    'invalid',
    'deploy.layer_entry',
    `expected a whiteout that names a file, got ${JSON.stringify(path)}`,
  );
}

/** Removes a read-only tree, which an agent that is not root has to open up first. */
export async function removeTree(directory: string): Promise<void> {
  await openUp(directory);
  await rm(directory, { recursive: true, force: true });
}

async function openUp(directory: string): Promise<void> {
  try {
    if (!(await lstat(directory)).isDirectory()) return;
    await chmod(directory, 0o700);
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) await openUp(join(directory, entry.name));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error; // errors of node:fs carry a code
  }
}
