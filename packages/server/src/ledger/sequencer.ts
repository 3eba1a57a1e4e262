import { type Checkpoint, equalBytes, Fault, leafHash } from '@sallyport/formats';
import type { Db, Log, Tx } from '#platform';
import { readEntry } from './events.ts';
import { createMemory, type Heads } from './head.ts';
import type { LedgerStore, PendingEntry } from './store.ts';
import { append, type Edge, edgeTiles, openEdge, partialTiles, rootOf, type Tile } from './tree.ts';

/** Bounds the time of a batch, and with it how long other replicas wait for the lock. */
const batchSize = 512;

export interface Sequencer {
  /** Integrates one batch of what is durable now; gives how many entries got a place. Safe from any replica. */
  integrate(): Promise<number>;
}

export interface SequencerDeps {
  readonly db: Db;
  readonly store: LedgerStore;
  readonly heads: Heads;
  readonly log: Log;
}

/**
 * Gives pending entries their places. One transaction per batch: entries, tiles, checkpoint, head and the emptied
 * outbox become durable together, so a crash anywhere leaves the old tree or the new one.
 */
export function createSequencer(deps: SequencerDeps): Sequencer {
  const { db, store, heads, log } = deps;
  const memory = createMemory();
  /** The batch that runs, and the one that starts after it and so sees everything committed by now. */
  let running: Promise<number> | undefined;
  let next: Promise<number> | undefined;

  async function batch(): Promise<number> {
    // Most looks find nothing; they should not take the lock.
    if (!(await db.read((tx) => store.hasPending(tx)))) return 0;
    let head: Checkpoint | undefined;
    const integrated = await db.write(async (tx) => {
      await store.lockSequencer(tx);
      const edge = await openHead(tx);
      const { accepted, handled } = await sift(tx);
      head = undefined;
      if (accepted.length === 0) return handled;
      const first = edge.size;
      const full: Tile[] = [];
      for (const entry of accepted) append(edge, leafHash(entry.body), (tile) => full.push(tile));
      const rootHash = rootOf(edge);
      head = { origin: heads.origin, treeSize: edge.size, rootHash };
      await store.moveToEntries(
        tx,
        accepted.map((entry) => entry.seq),
        first,
      );
      await store.putTiles(tx, [...full, ...partialTiles(edge)]);
      await store.insertCheckpoint(tx, { treeSize: edge.size, note: heads.sign(edge.size, rootHash) });
      await store.setHeadSize(tx, edge.size);
      return handled;
    });
    // After the commit only: what was rolled back was never the log.
    if (head !== undefined) memory.keep(head);
    return integrated;
  }

  /** The tree as it was signed last, checked before it is extended: nothing is built on tiles that someone changed. */
  async function openHead(tx: Tx): Promise<Edge> {
    const size = await store.headSize(tx, true);
    const last = await store.lastCheckpoint(tx);
    if (size === undefined || size !== (last?.treeSize ?? 0)) throw damagedHead(size, last?.treeSize);
    const edge = openEdge(size, await store.findTiles(tx, edgeTiles(size)));
    if (last !== undefined) {
      const signed = heads.open(last.note);
      if (signed.treeSize !== size || !equalBytes(signed.rootHash, rootOf(edge))) {
        throw damagedHead(size, signed.treeSize);
      }
    }
    memory.check({ origin: heads.origin, treeSize: size, rootHash: rootOf(edge) });
    return edge;
  }

  /** Takes what may get a place, in order; drops evidence that has one, and sets aside rows that no appender wrote. */
  async function sift(tx: Tx): Promise<{ accepted: PendingEntry[]; handled: number }> {
    const pending = await store.takePending(tx, batchSize);
    const placed = new Map(
      (
        await store.findEntries(
          tx,
          pending.map((row) => row.entryId),
        )
      ).map((entry) => [entry.entryId, entry]),
    );
    const accepted: PendingEntry[] = [];
    const done: number[] = [];
    const refused: number[] = [];
    for (const row of pending) {
      const entry = readEntry(row.body);
      const before = placed.get(row.entryId);
      const asRecorded =
        equalBytes(leafHash(row.body), row.leafHash) &&
        entry.id === row.entryId &&
        entry.resource === row.resource;
      if (!asRecorded) refused.push(row.seq);
      else if (before === undefined) accepted.push(row);
      else if (entry.kind === 'evidence' && equalBytes(before.body, row.body)) done.push(row.seq);
      else refused.push(row.seq);
    }
    await store.deletePending(tx, done);
    await store.refusePending(tx, refused);
    if (refused.length > 0) log.error({ seqs: refused }, 'pending ledger rows were changed and are refused');
    return { accepted, handled: pending.length };
  }

  function start(): Promise<number> {
    const mine = batch().finally(() => {
      if (running === mine) running = undefined;
    });
    running = mine;
    return mine;
  }

  return {
    integrate() {
      if (running === undefined) return start();
      if (next === undefined) {
        const begin = (): Promise<number> => {
          next = undefined;
          return start();
        };
        next = running.then(begin, begin);
      }
      return next;
    },
  };
}

function damagedHead(expected: number | undefined, got: number | undefined): Fault {
  return new Fault(
    'integrity',
    'ledger.head_damaged',
    `expected the last checkpoint to sign the tree of ${expected ?? 'no'} entries as it is stored, got ${got ?? 0}`,
    { hint: 'the stored log was changed; run "sally ledger verify" and restore it from a backup' },
  );
}
