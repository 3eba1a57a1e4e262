import { isFault, toHex } from '@sallyport/formats';
import type { Audit, Db } from '#platform';
import { type AuditSource, type Link, linkAfter } from './batch.ts';
import type { Findings } from './findings.ts';
import type { JournalFile } from './journal-file.ts';
import type { JournalStore } from './store.ts';

/**
 * Brings the audit into the ledger: a leaf says which batches of which source came next, and the chain over all of
 * them. One transaction moves the mark and writes the leaf, so a crash neither forgets nor repeats a batch. Any replica
 * may, at any time.
 */
export interface Archive {
  /** Seals a part of what is durable now into the ledger; gives how many batches, 0 when nothing is left. */
  some(): Promise<number>;
  /** Seals all that is durable now; of what comes meanwhile there is no end on a busy server. */
  all(): Promise<void>;
  /** Seals all of the table, so that no batch is without a place: before a server that is alone goes on behind it. */
  table(): Promise<void>;
}

const maxBatches = 10_000;

export interface ArchiveDeps {
  readonly db: Db;
  readonly store: JournalStore;
  readonly audit: Audit;
  readonly findings: Findings;
  /** Absent where several replicas share a database: there everything is in the table. */
  readonly file: JournalFile | undefined;
}

export function createArchive({ db, store, audit, findings, file }: ArchiveDeps): Archive {
  /** How far the file is sealed, as far as this process knows. */
  let fileSealed: number | undefined;
  /** An end of the file from which on this process counted its lines: where it was opened, later where it was sealed. */
  let counted = file?.end;

  const isUnsealed = (newest: number): Promise<boolean> =>
    db.statement((tx) => store.hasUnsealed(tx, newest));

  async function fromTable(): Promise<number> {
    if (!(await isUnsealed(Number.MAX_SAFE_INTEGER))) return 0;
    return await db.write(async (tx) => {
      const before = await store.holdSealedTo(tx, 'table');
      // Batches of a server that is alone have their places; those of replicas get them here.
      const placed = await store.placedSince(tx, before.place);
      let end: Link = placed ?? before;
      const pending = await store.takePending(tx);
      const links = pending.map((batch) => {
        end = linkAfter(end, batch);
        return { id: batch.id, ...end };
      });
      if (links.length > 0) await store.place(tx, links);
      if (end.place === before.place) return 0;
      await store.setSealedTo(tx, 'table', end);
      await audit.record(tx, sealedEvent('table', before, end, (placed?.lines ?? 0) + countOf(pending)));
      return end.place - before.place;
    });
  }

  async function fromFile(journal: JournalFile): Promise<number> {
    const now = journal.end;
    if (now.place === fileSealed) return 0;
    const before = await db.read((tx) => store.sealedTo(tx, 'file'));
    fileSealed = before.place;
    if (now.place === fileSealed) return 0;
    // What this process appended is not read back: under load that would cost as much as to answer.
    const end =
      before.place === counted?.place
        ? { ...now, lines: now.lines - counted.lines }
        : await readOn(journal, before);
    await db.write(async (tx) => {
      const { place } = await store.holdSealedTo(tx, 'file');
      // Another call sealed them meanwhile.
      if (place !== before.place) return;
      await store.setSealedTo(tx, 'file', end);
      await audit.record(tx, sealedEvent('file', before, end, end.lines));
    });
    fileSealed = end.place;
    if (end.place === now.place) counted = now;
    return end.place - before.place;
  }

  /** What another process left. */
  async function readOn(journal: JournalFile, before: Link): Promise<Link & { readonly lines: number }> {
    let end = { ...before, lines: 0 };
    for await (const batch of journal.read(before)) {
      end = { place: batch.place, chain: batch.chain, lines: end.lines + batch.lines };
      if (end.place - before.place >= maxBatches) break;
    }
    return end;
  }

  async function fromFileIfWhole(journal: JournalFile): Promise<number> {
    try {
      return await fromFile(journal);
    } catch (error) {
      if (!isFault(error) || error.kind !== 'integrity') throw error;
      findings.report({ code: 'journal.file_cut', where: 'journal', message: error.message });
      return 0;
    }
  }

  const some = async (): Promise<number> =>
    (file === undefined ? 0 : await fromFileIfWhole(file)) + (await fromTable());

  return {
    some,
    async all() {
      const until = file?.end.place ?? 0;
      const newest = await db.statement((tx) => store.newestBatch(tx));
      const isLeft = async (): Promise<boolean> => (fileSealed ?? 0) < until || (await isUnsealed(newest));
      while ((await isLeft()) && (await some()) > 0);
    },
    async table() {
      while ((await fromTable()) > 0);
    },
  };
}

function countOf(batches: ReadonlyArray<{ readonly lines: number }>): number {
  return batches.reduce((sum, { lines }) => sum + lines, 0);
}

/** The resource is `audit/file` or `audit/table`; `readSealedEvent` reads the detail back. */
function sealedEvent(source: AuditSource, before: Link, end: Link, lines: number) {
  return {
    type: 'journal.audit.sealed',
    actor: { kind: 'system', id: 'system' },
    resource: `audit/${source}`,
    detail: { from: before.place + 1, to: end.place, lines, chain: toHex(end.chain) },
  } as const;
}
