import { Fault } from '../fault.ts';
import type { NodeCoordinate } from '../merkle/path.ts';

/** Hashes in a full tile and entries in a full bundle (c2sp.org/tlog-tiles). */
export const tileWidth = 256;
/** How many tree levels one tile spans: 2^8 = 256. */
export const tileHeight = 8;

export interface TilePath {
  /** 0 to 63 for a tile of hashes, `entries` for a bundle of entries. */
  readonly level: number | 'entries';
  readonly index: number;
  /** 1 to 256; less than 256 is a partial tile, at the right edge of the tree only. */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, with `.p/5` at the end for a partial tile of width 5 (c2sp.org/tlog-tiles). */
export function tilePath(level: number | 'entries', index: number, width: number = tileWidth): string {
  const levelFits = level === 'entries' || (Number.isInteger(level) && level >= 0 && level <= 63);
  const widthFits = Number.isInteger(width) && width >= 1 && width <= tileWidth;
  if (!levelFits || !widthFits || !Number.isSafeInteger(index) || index < 0) {
    throw refused(`level ${level}, index ${index}, width ${width}`);
  }
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g) ?? [];
  const elements = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group));
  return `tile/${level}/${elements.join('/')}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** Reads a path as `tilePath` writes it; any other spelling of the same tile is refused. */
export function parseTilePath(path: string): TilePath {
  const match =
    /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
  if (match === null) throw refused(JSON.stringify(path.slice(0, 100)));
  const [, level = '', elements = '', partial] = match;
  const parsed: TilePath = {
    level: level === 'entries' ? 'entries' : Number(level),
    index: Number(elements.replaceAll(/[x/]/g, '')),
    width: partial === undefined ? tileWidth : Number(partial),
  };
  // Refuses what the pattern lets through: leading zero groups, level 64 and up, ".p/256".
  if (tilePath(parsed.level, parsed.index, parsed.width) !== path) throw refused(JSON.stringify(path));
  return parsed;
}

/** Where a full node's hash comes from: `count` hashes of a tile, from `offset`, whose Merkle tree hash is the node. */
export interface NodeInTile {
  readonly tileLevel: number;
  readonly tileIndex: number;
  readonly offset: number;
  readonly count: number;
}

/** The tile that holds `node`, or the nodes of up to seven levels below it that make it. */
export function nodeInTile(node: NodeCoordinate): NodeInTile {
  const tileLevel = Math.floor(node.level / tileHeight);
  const count = 2 ** (node.level % tileHeight);
  const first = node.index * count;
  return { tileLevel, tileIndex: Math.floor(first / tileWidth), offset: first % tileWidth, count };
}

function refused(got: string): Fault {
  return new Fault(
    'invalid',
    'formats.tile_path',
    `expected a tile path like "tile/0/x001/234" or "tile/entries/000.p/5", got ${got}`,
  );
}
