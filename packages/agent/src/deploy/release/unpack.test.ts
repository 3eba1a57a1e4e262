import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestOf, mediaTypes, type TarEntry, utf8, writeTar } from '@sallyport/formats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { file } from '../test-support/world.ts';
import { createInspector } from './inspect.ts';
import type { Tree } from './tree.ts';
import { type Layer, removeTree, unpack } from './unpack.ts';

let base: string;
let root: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'sallyport-unpack-'));
  root = join(base, 'root');
  mkdirSync(root);
  writeFileSync(join(base, 'outside'), 'untouched');
});
afterEach(async () => {
  await removeTree(root);
  rmSync(base, { recursive: true, force: true });
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const layerOf = (tar: Uint8Array, change: Partial<Layer> = {}): Layer => {
  const packed = gzipSync(tar);
  return {
    digest: digestOf(packed),
    diffId: digestOf(tar),
    sizeBytes: packed.length,
    mediaType: mediaTypes.ociLayerGzip,
    bytes: once(packed),
    ...change,
  };
};
const layer = (...entries: readonly TarEntry[]): Layer => layerOf(writeTar(entries, 'rooted'));
const link = (path: string, target: string): TarEntry => ({
  path,
  type: 'symlink',
  linkTarget: target,
  mode: 0o777,
  mtimeSeconds: 1,
});
const paths = (tree: Tree): readonly string[] => tree.map((entry) => entry.path);

describe('unpacking', () => {
  it('gives files of all layers, the upper ones winning, read-only and without setuid', async () => {
    const tree = await unpack(
      [layer(file('a/x', 'old'), file('a/y', 'y', 0o4755)), layer(file('a/x', 'new'), link('b', 'a/x'))],
      root,
    );

    expect(paths(tree)).toEqual(['a', 'a/x', 'a/y', 'b']);
    expect(readFileSync(join(root, 'a/x'), 'utf8')).toBe('new');
    expect(statSync(join(root, 'a/x')).mode & 0o7777).toBe(0o444);
    expect(statSync(join(root, 'a/y')).mode & 0o7777).toBe(0o555);
    expect(readlinkSync(join(root, 'b'))).toBe('a/x');
    expect(await createInspector(root, tree).inspect(0)).toEqual([]);
  });

  it('obeys whiteouts of lower layers and not of its own', async () => {
    const lower = layer(file('a/x', 'x'), file('a/y', 'y'), file('c/z', 'z'), file('d', 'd'));
    const upper = layer(
      file('a/.wh.x', ''),
      file('c/.wh..wh..opq', ''),
      file('c/new', 'n'),
      file('.wh.d', ''),
    );

    const tree = await unpack([lower, upper], root);

    expect(paths(tree)).toEqual(['a', 'a/y', 'c', 'c/new']);
  });

  it.each<[string, () => readonly Layer[]]>([
    ['another digest', () => [layerOf(writeTar([file('a', 'a')]), { digest: digestOf(utf8('other')) })]],
    [
      'another unpacked digest',
      () => [layerOf(writeTar([file('a', 'a')]), { diffId: digestOf(utf8('other')) })],
    ],
    ['a shorter size', () => [layerOf(writeTar([file('a', 'a')]), { sizeBytes: 10 })]],
    ['an unknown type', () => [layerOf(writeTar([file('a', 'a')]), { mediaType: 'application/x-evil' })]],
    [
      'no gzip',
      () => [layerOf(writeTar([file('a', 'a')]), { bytes: once(utf8('not gzip')), sizeBytes: 100 })],
    ],
    [
      'a cut stream',
      () => [
        layerOf(writeTar([file('a', 'a')]), {
          bytes: once(gzipSync(writeTar([file('a', 'a')])).subarray(0, 40)),
        }),
      ],
    ],
    [
      'a file through a link of a lower layer',
      () => [layer(link('app', base)), layer(file('app/outside', 'evil'))],
    ],
    ['a file through a file of a lower layer', () => [layer(file('app', 'x')), layer(file('app/x', 'evil'))]],
    ['a whiteout of nothing', () => [layer(file('.wh.', ''))]],
    ['a whiteout of the directory above', () => [layer(file('.wh...', ''))]],
  ])('refuses %s, and writes nothing outside', async (_, layers) => {
    await expect(unpack(layers(), root)).rejects.toMatchObject({ name: 'Fault' });

    expect(readFileSync(join(base, 'outside'), 'utf8')).toBe('untouched');
  });

  it('refuses a bomb', async () => {
    const bomb = layer({
      path: 'a',
      type: 'file',
      body: new Uint8Array(5_000_000),
      mode: 0o644,
      mtimeSeconds: 1,
    });

    await expect(unpack([bomb], root, { maxBytes: 1_000_000, maxEntries: 10 })).rejects.toMatchObject({
      kind: 'exhausted',
    });
    await expect(
      unpack(
        [layer(...Array.from({ length: 20 }, (_, index) => file(`f${index}`, '')))],
        join(base, 'root'),
        { maxBytes: 100, maxEntries: 10 },
      ),
    ).rejects.toMatchObject({ kind: 'exhausted' });
  });
});

describe('the inspector', () => {
  it('sees every kind of change, also one that sets the times back', async () => {
    const tree = await unpack(
      [layer(file('a', 'aaaa'), file('b', 'b'), file('d/c', 'c'), file('e', 'e'), link('l', 'a'))],
      root,
    );
    const inspector = createInspector(root, tree);
    expect(await inspector.inspect(Number.POSITIVE_INFINITY)).toEqual([]);
    const { atime, mtime } = lstatSync(join(root, 'a'));

    chmodSync(join(root, 'a'), 0o644);
    writeFileSync(join(root, 'a'), 'bbbb');
    chmodSync(join(root, 'a'), 0o444);
    utimesSync(join(root, 'a'), atime, mtime);
    rmSync(join(root, 'b'));
    chmodSync(join(root, 'd'), 0o755);
    writeFileSync(join(root, 'd/added'), 'x');
    chmodSync(join(root, 'd'), 0o555);
    chmodSync(join(root, 'e'), 0o4555);
    rmSync(join(root, 'l'));
    writeFileSync(join(root, 'l'), 'file');

    const found = await inspector.inspect(0);

    expect(found.map(({ kind, path }) => `${kind} ${path}`).sort()).toEqual([
      'file-added d/added',
      'file-changed a',
      'file-changed e',
      'file-changed l',
      'file-missing b',
    ]);
  });

  it('hashes unchanged files in turn, within its budget', async () => {
    const tree = await unpack(
      [layer(...['a', 'b', 'c', 'd'].map((name) => file(name, name.repeat(100))))],
      root,
    );
    const right = createInspector(root, tree);
    await right.inspect(Number.POSITIVE_INFINITY);
    // As if the bytes on the disk had changed with no trace: the inspector is told another truth than it hashed.
    const last = tree.at(-1);
    if (last?.type === 'file') Object.assign(last, { digest: digestOf(utf8('other')) });

    const rounds: number[] = [];
    for (let round = 0; round < 4; round += 1) rounds.push((await right.inspect(100)).length);

    expect(rounds[0]).toBe(0);
    expect(rounds.some((count) => count === 1)).toBe(true);
  });
});
