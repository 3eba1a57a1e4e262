import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Checkpoint,
  Fault,
  inclusionPath,
  isFault,
  leafHash,
  proofHashes,
  verifyInclusion,
} from '@sallyport/formats';
import type { Db, Tx } from '#platform';
import type { Heads } from './head.ts';
import type { LedgerStore, StoredEntry } from './store.ts';
import { nodeReader, tilesOfProof } from './tree.ts';

/** That an entry is in the log; all that `verifyInclusion` and `verifyCheckpoint` of `formats` need. */
export interface LogProof {
  readonly entryId: string;
  readonly leafIndex: number;
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: string;
}

export interface Proofs {
  /** Waits until the entry has a place; throws `ledger.entry_unknown`, or `ledger.proof_timeout` after the wait. */
  proofFor(entryId: string): Promise<LogProof>;
}

interface Waiter {
  readonly entryId: string;
  /** In milliseconds of the process's monotonic clock. */
  readonly deadline: number;
  resolve(proof: LogProof): void;
  reject(error: unknown): void;
}

export interface ProofsDeps {
  readonly db: Db;
  readonly store: LedgerStore;
  readonly heads: Heads;
  readonly integrate: () => Promise<number>;
  readonly waitSeconds: number;
}

/** Bounds one read; those beyond it are served by the next round. */
const servedAtOnce = 500;

/**
 * One loop serves all callers: it integrates a batch, then answers everyone whose entry has a place, from one read.
 * A hundred callers cost one batch and one read, and nobody waits for a timer.
 */
export function createProofs(deps: ProofsDeps): Proofs {
  const { db, store, heads, integrate } = deps;
  let waiting: Waiter[] = [];
  let serving = false;

  async function serve(): Promise<void> {
    let pauseMilliseconds = 2;
    while (waiting.length > 0) {
      const served = await round().catch((error: unknown) => {
        // A database that is away may come back before the deadline; anything else will not change by waiting.
        if (isFault(error) && error.kind === 'unavailable') return dropLate(error);
        for (const waiter of waiting) waiter.reject(error);
        waiting = [];
        return 0;
      });
      if (served > 0) {
        pauseMilliseconds = 2;
      } else if (waiting.length > 0) {
        await sleep(pauseMilliseconds);
        pauseMilliseconds = Math.min(pauseMilliseconds * 2, 200);
      }
    }
    // In the same turn as the look at the queue: a caller in between would wait for a loop that has ended.
    serving = false;
  }

  async function round(): Promise<number> {
    await integrate();
    const asked = waiting.slice(0, servedAtOnce);
    const answers = await db.read((tx) => prove(tx, [...new Set(asked.map((waiter) => waiter.entryId))]));
    const before = waiting.length;
    waiting = waiting.filter((waiter) => {
      const answer = answers.get(waiter.entryId);
      if (answer === undefined || answer === 'pending') return true;
      if (isFault(answer)) waiter.reject(answer);
      else waiter.resolve(answer);
      return false;
    });
    return before - waiting.length + dropLate();
  }

  function dropLate(cause?: unknown): number {
    const now = performance.now();
    const late = waiting.filter((waiter) => waiter.deadline <= now);
    waiting = waiting.filter((waiter) => waiter.deadline > now);
    for (const waiter of late) waiter.reject(timedOut(waiter.entryId, deps.waitSeconds, cause));
    return late.length;
  }

  async function prove(
    tx: Tx,
    entryIds: readonly string[],
  ): Promise<Map<string, LogProof | Fault | 'pending'>> {
    const answers = new Map<string, LogProof | Fault | 'pending'>();
    const entries = await store.findEntries(tx, entryIds);
    const found = new Set(entries.map((entry) => entry.entryId));
    const missing = entryIds.filter((id) => !found.has(id));
    const pending = new Map((await store.findPending(tx, missing)).map((row) => [row.entryId, row]));
    for (const id of missing) {
      const row = pending.get(id);
      answers.set(id, row === undefined ? unknownEntry(id) : row.refused ? refusedEntry(id) : 'pending');
    }
    const last = await store.lastCheckpoint(tx);
    if (last === undefined) return answers;
    const head = heads.open(last.note);
    const paths = entries.map((entry) => inclusionPath(entry.leafIndex, head.treeSize));
    const nodeAt = nodeReader(await store.findTiles(tx, tilesOfProof(paths.flat())));
    for (const [i, entry] of entries.entries()) {
      answers.set(entry.entryId, proofOf(entry, paths[i] ?? [], nodeAt, head, last.note));
    }
    return answers;
  }

  return {
    proofFor(entryId) {
      return new Promise((resolve, reject) => {
        waiting.push({ entryId, deadline: performance.now() + deps.waitSeconds * 1000, resolve, reject });
        if (serving) return;
        serving = true;
        // After the callers of this turn, so that they share the first batch.
        setImmediate(() => void serve());
      });
    },
  };
}

function proofOf(
  entry: StoredEntry,
  path: ReturnType<typeof inclusionPath>,
  nodeAt: ReturnType<typeof nodeReader>,
  head: Checkpoint,
  checkpoint: string,
): LogProof | Fault {
  const { leafIndex, entryId } = entry;
  try {
    const hashes = proofHashes(path, nodeAt);
    const { treeSize, rootHash } = head;
    // A proof goes into bundles that live for years: one that does not hold must be found here.
    verifyInclusion({ leafHash: leafHash(entry.body), leafIndex, treeSize, hashes, rootHash });
    return { entryId, leafIndex, treeSize, rootHash, hashes, checkpoint };
  } catch (error) {
    if (isFault(error)) return error;
    throw error;
  }
}

function unknownEntry(entryId: string): Fault {
  return new Fault(
    'not_found',
    'ledger.entry_unknown',
    `expected an entry of the ledger, got ${JSON.stringify(entryId.slice(0, 80))}`,
  );
}

function refusedEntry(entryId: string): Fault {
  return new Fault(
    'integrity',
    'ledger.entry_refused',
    `entry "${entryId}" was changed before it was integrated`,
    {
      hint: 'run "sally ledger verify"',
    },
  );
}

function timedOut(entryId: string, waitSeconds: number, cause: unknown): Fault {
  return new Fault(
    'unavailable',
    'ledger.proof_timeout',
    `expected entry "${entryId}" to get its place within ${waitSeconds} s, got no batch in that time`,
    { hint: 'the entry is durable; ask again', ...(cause === undefined ? {} : { cause }) },
  );
}
