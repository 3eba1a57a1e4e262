import type { Db } from '#platform';
import { type AuditSource, linesOf, type PlacedBatch } from './batch.ts';
import type { JournalFile } from './journal-file.ts';
import type { JournalStore } from './store.ts';

/** How far a reader of the audit has come: so many batches of each source. */
export type AuditCursor = Readonly<Record<AuditSource, number>>;

export interface AuditLine {
  /** One JSON value, without the newline. */
  readonly line: Buffer;
  /** When its request was decided, milliseconds since the epoch. */
  readonly at: number;
  readonly source: AuditSource;
  readonly place: number;
  /** Go on here: after this line's batch if it is the last of it, else with the whole batch again. */
  readonly next: AuditCursor;
}

export const fromTheStart: AuditCursor = { file: 0, table: 0 };

export interface AuditReaderDeps {
  readonly db: Db;
  readonly store: JournalStore;
  readonly file: JournalFile | undefined;
}

/**
 * All lines that have a place, in the order of time; lines of one source stay in the order of their places. Holds a few
 * batches of each source in memory. Throws `journal.file_damaged` or `journal.file_cut` where the file cannot be read.
 */
export async function* readAudit(
  { db, store, file }: AuditReaderDeps,
  after: AuditCursor,
): AsyncGenerator<AuditLine, void> {
  const sources: Record<AuditSource, AsyncIterator<PlacedBatch, void>> = {
    file: fileBatches(file, after.file),
    table: tableBatches(db, store, after.table),
  };
  let cursor = after;
  try {
    const heads = { file: await sources.file.next(), table: await sources.table.next() };
    for (;;) {
      const source = earlier(heads.file, heads.table);
      const batch = source === undefined ? undefined : heads[source].value;
      if (source === undefined || batch === undefined) return;
      const done = { ...cursor, [source]: batch.place };
      let read = 0;
      for (const line of linesOf(batch.body)) {
        read += 1;
        yield { line, at: batch.at, source, place: batch.place, next: read < batch.lines ? cursor : done };
      }
      cursor = done;
      heads[source] = await sources[source].next();
    }
  } finally {
    await sources.file.return?.();
    await sources.table.return?.();
  }
}

type Head = IteratorResult<PlacedBatch, void>;

function earlier(file: Head, table: Head): AuditSource | undefined {
  if (file.done) return table.done ? undefined : 'table';
  return table.done || file.value.at <= table.value.at ? 'file' : 'table';
}

async function* fileBatches(file: JournalFile | undefined, after: number): AsyncGenerator<PlacedBatch, void> {
  if (file === undefined || file.end.place <= after) return;
  yield* file.read({ place: after });
}

async function* tableBatches(db: Db, store: JournalStore, after: number): AsyncGenerator<PlacedBatch, void> {
  for (let place = after; ; ) {
    const batches = await db.read((tx) => store.listPlaced(tx, place));
    for (const batch of batches) yield batch;
    const last = batches.at(-1);
    if (last === undefined) return;
    place = last.place;
  }
}
