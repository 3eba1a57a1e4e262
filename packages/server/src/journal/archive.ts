import { Fault, toHex } from '@sallyport/formats';
import type { Audit, Db } from '#platform';
import { emptyChain, type JournalFile, nextChain } from './journal-file.ts';
import type { JournalStore } from './store.ts';

/**
 * Brings the audit into the ledger: a leaf says which batches of which source came next, and the chain over all of
 * them. One transaction moves the mark and writes the leaf, so a crash neither forgets nor repeats a batch.
 */
export interface Archive {
  /** Seals what is durable now into the ledger; gives how many batches. */
  some(): Promise<number>;
}

/** The two places of audit: batches that changed nothing on an embedded server, and all others. */
export type AuditSource = 'file' | 'table';

const maxBatches = 2000;
const system = { kind: 'system', id: 'system' } as const;

export interface ArchiveDeps {
  readonly db: Db;
  readonly store: JournalStore;
  readonly audit: Audit;
  /** Absent where several replicas share a database: there everything is in the table. */
  readonly file?: JournalFile;
}

export function createArchive({ db, store, audit, file }: ArchiveDeps): Archive {
  async function fromTable(): Promise<number> {
    return await db.write(async (tx) => {
      const pending = await store.takePending(tx, maxBatches);
      if (pending.length === 0) return 0;
      const before = (await store.sealed(tx, 'table')) ?? { place: 0, chain: emptyChain };
      const chain = pending.reduce((sum, batch) => nextChain(sum, batch.body), before.chain);
      await store.place(
        tx,
        pending.map((batch) => batch.id),
        before.place + 1,
      );
      const lines = pending.reduce((sum, batch) => sum + batch.lines, 0);
      const place = before.place + pending.length;
      await store.setSealed(tx, 'table', { place, chain });
      await audit.record(tx, sealedEvent('table', before.place, place, lines, chain));
      return pending.length;
    });
  }

  async function fromFile(journal: JournalFile): Promise<number> {
    const before = (await db.read((tx) => store.sealed(tx, 'file'))) ?? { place: 0, chain: emptyChain };
    if (journal.place === before.place) return 0;
    if (journal.place < before.place) throw cutShort(journal.place, before.place);
    let end = { place: before.place, chain: before.chain };
    let lines = 0;
    for await (const frame of journal.read(before.place)) {
      end = { place: frame.place, chain: frame.chain };
      lines += frame.lines;
      if (end.place - before.place >= maxBatches) break;
    }
    await db.write(async (tx) => {
      await store.setSealed(tx, 'file', end);
      await audit.record(tx, sealedEvent('file', before.place, end.place, lines, end.chain));
    });
    return end.place - before.place;
  }

  return {
    some: async () => (file === undefined ? 0 : await fromFile(file)) + (await fromTable()),
  };
}

function sealedEvent(source: AuditSource, after: number, to: number, lines: number, chain: Uint8Array) {
  return {
    type: 'journal.audit.sealed',
    actor: system,
    resource: `audit/${source}`,
    detail: { from: after + 1, to, lines, chain: toHex(chain) },
  };
}

function cutShort(found: number, sealed: number): Fault {
  return new Fault(
    'integrity',
    'journal.file_cut',
    `expected ${sealed} batches in the audit journal, as the ledger says, found ${found}`,
    { hint: 'the journal file was cut or replaced; restore it from a backup' },
  );
}
