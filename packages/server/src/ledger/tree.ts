import {
  concatBytes,
  emptyRootHash,
  Fault,
  nodeHash,
  nodeInTile,
  type ProofNode,
  rootFromLeaves,
  tileWidth,
} from '@sallyport/formats';

/** Pure tree arithmetic over tiles (RFC 9162 §2.1, c2sp.org/tlog-tiles v0.1.0). No I/O; numbers, not bit operators. */

export interface TileKey {
  readonly level: number;
  readonly index: number;
}

export interface Tile extends TileKey {
  /** 1 to 256 hashes of 32 bytes. */
  readonly hashes: Uint8Array;
}

interface Peak {
  readonly level: number;
  readonly hash: Uint8Array;
}

/**
 * The growing right edge of a tree: the hashes of each level's last, partial tile, and the roots of the full subtrees
 * the tree consists of. Owned by one batch; grows by `append` and is thrown away.
 */
export interface Edge {
  size: number;
  readonly levels: Uint8Array[][];
  readonly peaks: Peak[];
}

const hashSizeBytes = 32;
/** Tree levels that one tile spans: 2^8 = 256. */
const tileHeight = 8;

export function emptyEdge(): Edge {
  return { size: 0, levels: [], peaks: [] };
}

/** The partial tiles that `openEdge` needs for a tree of `size`, lowest level first. */
export function edgeTiles(size: number): ReadonlyArray<TileKey & { readonly width: number }> {
  const keys: Array<TileKey & { width: number }> = [];
  for (let level = 0, count = size; count > 0; level += 1, count = Math.floor(count / tileWidth)) {
    const width = count % tileWidth;
    if (width > 0) keys.push({ level, index: Math.floor(count / tileWidth), width });
  }
  return keys;
}

/** The edge of a tree of `size`, from its stored partial tiles. Throws `ledger.tile_missing` when one is not as wide as it must be. */
export function openEdge(size: number, tiles: readonly Tile[]): Edge {
  const edge: Edge = { size, levels: [], peaks: [] };
  for (const { level, index, width } of edgeTiles(size)) {
    const tile = tiles.find((one) => one.level === level && one.index === index);
    if (tile?.hashes.length !== width * hashSizeBytes) throw missingTile(level, index);
    edge.levels[level] = hashesOf(tile.hashes, 0, width);
  }
  for (let level = edge.levels.length - 1; level >= 0; level -= 1) {
    const hashes = edge.levels[level] ?? [];
    let at = 0;
    for (let power = 7; power >= 0; power -= 1) {
      const count = 2 ** power;
      if (hashes.length % (count * 2) < count) continue;
      edge.peaks.push({
        level: level * tileHeight + power,
        hash: rootFromLeaves(hashes.slice(at, at + count)),
      });
      at += count;
    }
  }
  return edge;
}

/** Adds one leaf; `emit` is given each tile that became full. */
export function append(edge: Edge, leaf: Uint8Array, emit: (tile: Tile) => void): void {
  edge.size += 1;
  addPeak(edge.peaks, leaf);
  let hash = leaf;
  for (let level = 0; ; level += 1) {
    let hashes = edge.levels[level];
    if (hashes === undefined) {
      hashes = [];
      edge.levels[level] = hashes;
    }
    hashes.push(hash);
    if (hashes.length < tileWidth) return;
    // The number of full tiles at this level, this one included, minus one.
    const index = Math.floor(edge.size / tileWidth ** (level + 1)) - 1;
    emit({ level, index, hashes: concatBytes(...hashes) });
    hash = rootFromLeaves(hashes);
    edge.levels[level] = [];
  }
}

/** The partial tiles as they are now. */
export function partialTiles(edge: Edge): Tile[] {
  return edgeTiles(edge.size).map(({ level, index }) => ({
    level,
    index,
    hashes: concatBytes(...(edge.levels[level] ?? [])),
  }));
}

/** How many tiles a tree of `size` has, full and partial. */
export function countTiles(size: number): number {
  let tiles = 0;
  for (let count = size; count > 0; count = Math.floor(count / tileWidth))
    tiles += Math.ceil(count / tileWidth);
  return tiles;
}

export function rootOf(edge: Edge): Uint8Array {
  const last = edge.peaks.at(-1);
  if (last === undefined) return emptyRootHash();
  return edge.peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left.hash, right), last.hash);
}

function addPeak(peaks: Peak[], leaf: Uint8Array): void {
  let peak: Peak = { level: 0, hash: leaf };
  for (let last = peaks.at(-1); last?.level === peak.level; last = peaks.at(-1)) {
    peaks.pop();
    peak = { level: peak.level + 1, hash: nodeHash(last.hash, peak.hash) };
  }
  peaks.push(peak);
}

/** The tiles a proof is made of, each once. */
export function tilesOfProof(path: readonly ProofNode[]): TileKey[] {
  const keys = new Map<string, TileKey>();
  for (const coordinate of path.flat()) {
    const { tileLevel, tileIndex } = nodeInTile(coordinate);
    keys.set(`${tileLevel}/${tileIndex}`, { level: tileLevel, index: tileIndex });
  }
  return [...keys.values()];
}

/**
 * Reads nodes from tiles, for `proofHashes`. Remembers the nodes between tile levels, which proofs of one batch share:
 * without that, a node seven levels above its tile's hashes costs 127 hashes each time.
 */
export function nodeReader(tiles: readonly Tile[]): (level: number, index: number) => Uint8Array {
  const byKey = new Map(tiles.map((tile) => [`${tile.level}/${tile.index}`, tile.hashes]));
  const known = new Map<string, Uint8Array>();
  const read = (level: number, index: number): Uint8Array => {
    const key = `${level}/${index}`;
    let hash = known.get(key);
    if (hash === undefined) {
      hash =
        level % tileHeight === 0
          ? stored(level, index)
          : nodeHash(read(level - 1, index * 2), read(level - 1, index * 2 + 1));
      known.set(key, hash);
    }
    return hash;
  };
  const stored = (level: number, index: number): Uint8Array => {
    const { tileLevel, tileIndex, offset } = nodeInTile({ level, index });
    const hashes = byKey.get(`${tileLevel}/${tileIndex}`);
    if (hashes === undefined || hashes.length < (offset + 1) * hashSizeBytes) {
      throw missingTile(tileLevel, tileIndex);
    }
    return hashes.slice(offset * hashSizeBytes, (offset + 1) * hashSizeBytes);
  };
  return read;
}

function hashesOf(tile: Uint8Array, offset: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    tile.slice((offset + i) * hashSizeBytes, (offset + i + 1) * hashSizeBytes),
  );
}

function missingTile(level: number, index: number): Fault {
  return new Fault(
    'integrity',
    'ledger.tile_missing',
    `expected tile ${index} of level ${level} to be as wide as the tree says, got another or none`,
    { hint: 'run "sally ledger verify"' },
  );
}
