import {
  consistencyPath,
  inclusionPath,
  leafHash,
  proofHashes,
  rootFromLeaves,
  utf8,
  verifyConsistency,
  verifyInclusion,
} from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  append,
  countTiles,
  type Edge,
  edgeTiles,
  emptyEdge,
  nodeReader,
  openEdge,
  partialTiles,
  rootOf,
  type Tile,
  tilesOfProof,
} from './tree.ts';

const leaves = Array.from({ length: 70_000 }, (_, i) => leafHash(utf8(`leaf ${i}`)));

/** Tiles as the database keeps them: the last write of each place wins. */
function grow(edge: Edge, stored: Map<string, Tile>, to: number): void {
  const put = (tile: Tile) => stored.set(`${tile.level}/${tile.index}`, tile);
  for (const leaf of leaves.slice(edge.size, to)) append(edge, leaf, put);
  for (const tile of partialTiles(edge)) put(tile);
}

describe('the edge of a tree', () => {
  it('has the root that RFC 9162 defines, at every size up to 600, however it grew', () => {
    const edge = emptyEdge();
    for (let size = 0; size <= 600; size += 1) {
      expect(rootOf(edge)).toEqual(rootFromLeaves(leaves.slice(0, size)));
      const leaf = leaves[size];
      if (leaf !== undefined) append(edge, leaf, () => undefined);
    }
  });

  it('can be opened from its tiles at any size, also around full tiles of level 1', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.integer({ min: 1, max: 700 }),
            fc.constantFrom(255, 256, 257, 65_535, 65_536, 65_537, 66_000),
          ),
          { minLength: 1, maxLength: 3 },
        ),
        (sizes) => {
          const stored = new Map<string, Tile>();
          let edge = emptyEdge();
          for (const size of sizes.toSorted((a, b) => a - b)) {
            grow(edge, stored, size);
            edge = openEdge(size, [...stored.values()]);
            expect(rootOf(edge)).toEqual(rootFromLeaves(leaves.slice(0, size)));
            expect(stored.size).toBe(countTiles(size));
          }
        },
      ),
      { numRuns: 4, examples: [[[65_535, 65_537]]] },
    );
  });

  it('is refused when a tile is missing, narrower or wider than the size says', () => {
    const stored = new Map<string, Tile>();
    grow(emptyEdge(), stored, 300);
    const tiles = [...stored.values()];

    for (const { level, index } of edgeTiles(300)) {
      const others = tiles.filter((tile) => tile.level !== level || tile.index !== index);
      expect(() => openEdge(300, others)).toThrow('as wide as the tree says');
    }
    expect(() => openEdge(299, tiles)).toThrow('as wide as the tree says');
    expect(() => openEdge(301, tiles)).toThrow('as wide as the tree says');
  });
});

describe('proofs from tiles', () => {
  it('hold for every leaf of every tree of up to 64 entries', () => {
    for (let size = 1; size <= 64; size += 1) {
      const stored = new Map<string, Tile>();
      grow(emptyEdge(), stored, size);
      const rootHash = rootFromLeaves(leaves.slice(0, size));
      for (let leafIndex = 0; leafIndex < size; leafIndex += 1) {
        const hashes = proofHashes(inclusionPath(leafIndex, size), nodeReader([...stored.values()]));
        verifyInclusion({
          leafHash: leaves[leafIndex] ?? utf8(''),
          leafIndex,
          treeSize: size,
          hashes,
          rootHash,
        });
      }
    }
  });

  it('hold for large trees and for older sizes, from tiles that have grown since', () => {
    const stored = new Map<string, Tile>();
    grow(emptyEdge(), stored, leaves.length);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: leaves.length }),
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        (size, part) => {
          const leafIndex = Math.floor(part * size);
          const path = inclusionPath(leafIndex, size);
          const tiles = tilesOfProof(path).flatMap((key) => stored.get(`${key.level}/${key.index}`) ?? []);
          const rootHash = rootFromLeaves(leaves.slice(0, size));
          const hashes = proofHashes(path, nodeReader(tiles));
          verifyInclusion({
            leafHash: leaves[leafIndex] ?? utf8(''),
            leafIndex,
            treeSize: size,
            hashes,
            rootHash,
          });

          const first = leafIndex + 1;
          const between = consistencyPath(first, size);
          const needed = tilesOfProof(between).flatMap(
            (key) => stored.get(`${key.level}/${key.index}`) ?? [],
          );
          verifyConsistency({
            firstSize: first,
            firstRoot: rootFromLeaves(leaves.slice(0, first)),
            secondSize: size,
            secondRoot: rootHash,
            hashes: proofHashes(between, nodeReader(needed)),
          });
        },
      ),
      { numRuns: 5 },
    );
  });
});
