import { fromHex, isFault } from '@sallyport/formats';
import type { Json } from '#platform';
import type { AuditReaderDeps } from './audit-reader.ts';
import {
  type AuditSource,
  chainSizeBytes,
  countLines,
  type Link,
  linkAfter,
  noLink,
  sameChain,
} from './batch.ts';

/** The events of one resource in the ledger, newest first, as the ledger gives them. */
export type SealedEvents = (
  resource: string,
  limit: number,
  before?: number,
) => Promise<{ readonly events: ReadonlyArray<{ readonly detail?: Json }>; readonly next?: number }>;

export interface SourceReport {
  /** How many batches and lines were read and are as the ledger says, before the difference if there is one. */
  readonly batches: number;
  readonly lines: number;
  /** How many batches the ledger has seen; those after it are covered by their own chain only. */
  readonly sealed: number;
  /**
   * The first batch that is not what was written. With `to`: the database was made to agree with itself, and only the
   * ledger shows that one of the batches `place` to `to` differs.
   */
  readonly difference?: { readonly place: number; readonly to?: number; readonly what: string };
}

export interface AuditReport {
  readonly ok: boolean;
  readonly file: SourceReport;
  readonly table: SourceReport;
}

interface Leaves {
  readonly count: number;
  at(index: number): Link & { readonly from: number };
}

/**
 * Recomputes the chains over all batches, and compares them with what is stored beside them, with the marks and with
 * the ledger. Keeps 48 bytes for each leaf of the ledger in memory, and a few batches.
 */
export async function verifyAudit(deps: AuditReaderDeps, events: SealedEvents): Promise<AuditReport> {
  const file = await verifySource('file', deps, events);
  const table = await verifySource('table', deps, events);
  return { ok: file.difference === undefined && table.difference === undefined, file, table };
}

async function verifySource(
  source: AuditSource,
  deps: AuditReaderDeps,
  events: SealedEvents,
): Promise<SourceReport> {
  // The leaves first: what is sealed meanwhile is in the mark, and has no leaf here.
  const leaves = await readLeaves(source, events);
  const mark = await deps.db.read((tx) => deps.store.sealedTo(tx, source));
  let end: Link = noLink;
  let lines = 0;
  let leaf = 0;
  const sealed = leaves.count === 0 ? 0 : leaves.at(leaves.count - 1).place;
  const differs = (place: number, what: string, to?: number): SourceReport => ({
    batches: end.place,
    lines,
    sealed,
    difference: { place, what, ...(to === undefined ? {} : { to }) },
  });

  try {
    for await (const batch of batchesOf(source, deps)) {
      const next = linkAfter(end, batch);
      if (batch.place !== next.place) return differs(next.place, 'missing');
      if (!sameChain(next.chain, batch.chain) || countLines(batch.body) !== batch.lines) {
        return differs(next.place, 'changed');
      }
      if (next.place === mark.place && !sameChain(next.chain, mark.chain))
        return differs(next.place, 'mark changed');
      while (leaf < leaves.count && leaves.at(leaf).place <= next.place) {
        const { from, place, chain } = leaves.at(leaf);
        const joined = leaf === 0 ? from === 1 : from === leaves.at(leaf - 1).place + 1;
        if (!joined || place !== next.place) return differs(from, 'ledger out of order', place);
        if (!sameChain(chain, next.chain)) return differs(from, 'changed with its chain', place);
        leaf += 1;
      }
      end = next;
      lines += batch.lines;
    }
  } catch (error) {
    if (!isFault(error) || error.kind !== 'integrity') throw error;
    return differs(end.place + 1, error.message);
  }
  if (end.place < Math.max(mark.place, sealed)) return differs(end.place + 1, 'missing');
  if (mark.place < sealed) return differs(mark.place + 1, 'mark set back', sealed);
  return { batches: end.place, lines, sealed };
}

async function* batchesOf(source: AuditSource, { db, store, file }: AuditReaderDeps) {
  if (source === 'file') {
    if (file !== undefined) yield* file.read(noLink);
    return;
  }
  for (let place = 0; ; ) {
    const batches = await db.read((tx) => store.listPlaced(tx, place));
    yield* batches;
    const last = batches.at(-1);
    if (last === undefined) return;
    place = last.place;
  }
}

const leafBytes = 16 + chainSizeBytes;
const eventsAtOnce = 500;

async function readLeaves(source: AuditSource, events: SealedEvents): Promise<Leaves> {
  const pages: Buffer[] = [];
  for (let before: number | undefined; ; ) {
    const page = await events(`audit/${source}`, eventsAtOnce, before);
    pages.push(Buffer.concat(page.events.map(({ detail }) => toLeaf(detail)).reverse()));
    before = page.next;
    if (before === undefined) break;
  }
  const all = Buffer.concat(pages.reverse());
  return {
    count: all.length / leafBytes,
    at(index) {
      const start = index * leafBytes;
      return {
        from: all.readDoubleBE(start),
        place: all.readDoubleBE(start + 8),
        chain: all.subarray(start + 16, start + leafBytes),
      };
    },
  };
}

/** A leaf that says nothing sensible becomes one that agrees with no batch. */
function toLeaf(detail: Json | undefined): Buffer {
  const leaf = Buffer.alloc(leafBytes);
  if (typeof detail !== 'object' || detail === null || !('chain' in detail)) return leaf;
  const { from, to, chain } = detail;
  leaf.writeDoubleBE(typeof from === 'number' ? from : 0, 0);
  leaf.writeDoubleBE(typeof to === 'number' ? to : 0, 8);
  if (typeof chain === 'string' && /^[0-9a-f]{64}$/.test(chain)) leaf.set(fromHex(chain), 16);
  return leaf;
}
