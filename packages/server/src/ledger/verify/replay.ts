import { type Checkpoint, equalBytes, isFault, leafHash, toHex } from '@sallyport/formats';
import type { Tx } from '#platform';
import { type Entry, readEntry } from '../events.ts';
import type { Heads } from '../head.ts';
import type { LedgerStore, StoredCheckpoint, StoredEntry } from '../store.ts';
import { append, countTiles, emptyEdge, partialTiles, rootOf, type Tile } from '../tree.ts';
import type { Findings } from './report.ts';
import type { LastStates } from './states.ts';

const pageSize = 512;

/**
 * Computes the tree again from the leaves, page by page, and compares everything that was stored or signed along the
 * way. That each checkpoint's root is the root of the replayed tree at that size is consistency by definition: all of
 * them are prefixes of one log.
 */
export interface Replay {
  /** Reads the next page; false when there was none. */
  page(tx: Tx): Promise<boolean>;
  /** Compares what is left, in the transaction that saw the last page. */
  finish(tx: Tx): Promise<void>;
  readonly progress: { size: number; events: number; evidence: number; checkpoints: number; pending: number };
  root(): Uint8Array;
}

export interface ReplayDeps {
  readonly store: LedgerStore;
  readonly heads: Heads;
  readonly findings: Findings;
  readonly states: LastStates;
  /** Checkpoints kept outside the database. */
  readonly remembered: readonly string[];
}

export function createReplay(deps: ReplayDeps): Replay {
  const { store, heads, findings, states } = deps;
  const edge = emptyEdge();
  const progress = { size: 0, events: 0, evidence: 0, checkpoints: 0, pending: 0 };
  /** The next leaf to read. Runs ahead of the tree after a gap, from where on no hash can be computed. */
  let position = 0;
  let whole = true;
  let rows = 0;
  const remembered = new Map<number, Checkpoint[]>();
  for (const [i, note] of deps.remembered.entries()) {
    const checkpoint = openNote(note, `remembered checkpoint ${i}`);
    if (checkpoint !== undefined) {
      remembered.set(checkpoint.treeSize, [...(remembered.get(checkpoint.treeSize) ?? []), checkpoint]);
    }
  }

  function openNote(note: string, where: string): Checkpoint | undefined {
    try {
      return heads.open(note);
    } catch (error) {
      if (!isFault(error)) throw error;
      findings.add(
        'checkpoint_signature',
        where,
        `a checkpoint of "${heads.origin}" by the log's key`,
        error.message,
      );
      return undefined;
    }
  }

  function readLeaf(row: StoredEntry): void {
    const where = `leaf ${row.leafIndex}`;
    if (row.leafIndex !== position) {
      if (whole) findings.add('entry_missing', `leaf ${position}`, 'an entry', `the next is ${where}`);
      whole = false;
    }
    position = row.leafIndex + 1;
    rows += 1;
    const entry = readEntry(row.body);
    if (entry.kind === 'event') progress.events += 1;
    else progress.evidence += 1;
    compareColumns(entry, row, where);
    states.fold(entry, where);
  }

  function compareColumns(
    entry: Entry,
    row: { entryId: string; resource: string | null },
    where: string,
  ): void {
    if (entry.id !== row.entryId) findings.add('entry_id', where, entry.id, row.entryId);
    if (entry.resource !== row.resource) findings.add('entry_resource', where, entry.resource, row.resource);
  }

  async function compareTiles(tx: Tx, tiles: readonly Tile[]): Promise<void> {
    if (tiles.length === 0) return;
    const stored = new Map(
      (await store.findTiles(tx, tiles)).map((tile) => [`${tile.level}/${tile.index}`, tile]),
    );
    for (const tile of tiles) {
      const where = `tile ${tile.level}/${tile.index}`;
      const found = stored.get(`${tile.level}/${tile.index}`);
      if (found === undefined)
        findings.add('tile_missing', where, `${tile.hashes.length / 32} hashes`, 'no tile');
      else if (!equalBytes(found.hashes, tile.hashes)) {
        findings.add('tile_differs', where, toHex(tile.hashes), toHex(found.hashes));
      }
    }
  }

  function compareCheckpoint(stored: StoredCheckpoint): void {
    const where = `checkpoint ${stored.treeSize}`;
    progress.checkpoints += 1;
    const signed = openNote(stored.note, where);
    if (signed === undefined) return;
    if (signed.treeSize !== stored.treeSize)
      findings.add('checkpoint_size', where, stored.treeSize, signed.treeSize);
    else compareRoot(signed, where);
  }

  function compareRoot(signed: Checkpoint, where: string): void {
    const root = rootOf(edge);
    if (!equalBytes(signed.rootHash, root)) {
      findings.add('checkpoint_root', where, toHex(signed.rootHash), toHex(root));
    }
  }

  async function compareHead(tx: Tx): Promise<void> {
    const size = await store.headSize(tx, false);
    if (size !== edge.size) findings.add('head_size', 'head', `${edge.size} entries`, `${size ?? 'none'}`);
    const last = await store.lastCheckpoint(tx);
    if ((last?.treeSize ?? 0) !== edge.size) {
      findings.add(
        'head_checkpoint',
        'head',
        `a checkpoint of ${edge.size} entries`,
        `${last?.treeSize ?? 'none'}`,
      );
    }
    const counts = await store.count(tx);
    const expected = { entries: rows, tiles: countTiles(edge.size), checkpoints: progress.checkpoints };
    for (const what of ['entries', 'tiles', 'checkpoints'] as const) {
      if (counts[what] !== expected[what]) findings.add(`${what}_count`, 'log', expected[what], counts[what]);
    }
    for (const [treeSize, checkpoints] of remembered) {
      if (checkpoints.length === 0 || treeSize <= edge.size) continue;
      findings.add(
        'log_set_back',
        `remembered checkpoint of ${treeSize}`,
        `${treeSize} entries`,
        `${edge.size}`,
      );
    }
  }

  async function readPending(tx: Tx): Promise<void> {
    for (let after = Number.MIN_SAFE_INTEGER; ; ) {
      const page = await store.listPending(tx, after, pageSize);
      for (const row of page) {
        after = row.seq;
        progress.pending += 1;
        const where = `pending entry ${row.seq}`;
        const entry = readEntry(row.body);
        compareColumns(entry, row, where);
        const hash = leafHash(row.body);
        if (!equalBytes(hash, row.leafHash)) {
          findings.add('pending_hash', where, toHex(row.leafHash), toHex(hash));
        }
        if (row.refused)
          findings.add('pending_refused', where, 'an entry as it was recorded', 'a changed one');
        else states.fold(entry, where);
      }
      if (page.length < pageSize) return;
    }
  }

  return {
    progress,
    root: () => rootOf(edge),
    async page(tx) {
      const page = await store.listEntries(tx, position, pageSize);
      if (page.length === 0) return false;
      const checkpoints = new Map(
        (await store.listCheckpoints(tx, edge.size, edge.size + page.length)).map((one) => [
          one.treeSize,
          one,
        ]),
      );
      const full: Tile[] = [];
      for (const row of page) {
        readLeaf(row);
        if (!whole) continue;
        append(edge, leafHash(row.body), (tile) => full.push(tile));
        progress.size = edge.size;
        const checkpoint = checkpoints.get(edge.size);
        if (checkpoint !== undefined) compareCheckpoint(checkpoint);
        for (const one of remembered.get(edge.size) ?? [])
          compareRoot(one, `remembered checkpoint of ${edge.size}`);
      }
      await compareTiles(tx, full);
      return true;
    },
    async finish(tx) {
      await compareTiles(tx, partialTiles(edge));
      await compareHead(tx);
      await readPending(tx);
    },
  };
}
