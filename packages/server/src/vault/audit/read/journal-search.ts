import { setImmediate as pause } from 'node:timers/promises';
import type { AuditLine, Journal } from '#journal';
import type { Position } from './cursor.ts';
import { type AuditFilter, searchAudit } from './search.ts';

export interface JournalSearch {
  readonly filter: AuditFilter;
  readonly from: Position;
  /** The search ends after so many milliseconds, wherever it is. */
  readonly budgetMs: number;
  readonly signal: AbortSignal;
}

export interface Found {
  readonly lines: ReadonlyArray<{ readonly at: number; readonly line: Buffer }>;
  /** Go on here. */
  readonly next: Position;
  /** Whether everything there is was looked at. */
  readonly complete: boolean;
  readonly read: number;
  /** Lines that are no audit lines: see `SearchSummary`. */
  readonly malformed: number;
}

export interface SearchDeps {
  readonly journal: Pick<Journal, 'audit'>;
  readonly steadyMs: () => number;
}

/** Bounds an answer: a line may have a megabyte. */
const maxBytes = 4 * 1024 * 1024;
/** So many lines are looked at before requests get their turn. */
const linesAtOnce = 200;
/** Replicas place their batches late, and their clocks differ: what is this much later comes after nothing earlier. */
const disorderMs = 5 * 60_000;

/** Searches the journal's audit, a bounded part of it at a time; the time of a line is when its request was decided. */
export async function searchJournal(
  { journal, steadyMs }: SearchDeps,
  search: JournalSearch,
): Promise<Found> {
  const { since, until, ...filter } = search.filter;
  const { budgetMs, signal, from } = search;
  const deadline = steadyMs() + budgetMs;
  const reader = createReader(from);
  let complete = true;
  let past = false;

  async function* candidates(): AsyncGenerator<Buffer, void> {
    for await (const each of journal.audit({ after: from.after })) {
      if (!reader.isNew(each)) continue;
      if (reader.read % linesAtOnce === 0) {
        await pause();
        signal.throwIfAborted();
        if (reader.read > 0 && steadyMs() > deadline) {
          complete = false;
          return;
        }
      }
      if (until !== undefined && each.at >= until + disorderMs) {
        past = true;
        return;
      }
      reader.take(each);
      if ((since !== undefined && each.at < since) || (until !== undefined && each.at >= until)) continue;
      yield each.line;
    }
  }

  const lines: Array<{ at: number; line: Buffer }> = [];
  let bytes = 0;
  const matches = searchAudit(candidates(), filter);
  let step = await matches.next();
  for (; !step.done; step = await matches.next()) {
    // A copy: the reader's buffers are as large as a batch.
    lines.push({ at: reader.at, line: Buffer.from(step.value.line) });
    bytes += step.value.line.length;
    if (bytes >= maxBytes) break;
  }
  const limited = !step.done || step.value.limited;
  if (limited) await matches.return({ read: 0, matched: 0, malformed: 0, tooLong: 0, missing: 0, limited });
  return {
    lines,
    next: reader.position(),
    complete: past || (complete && !limited),
    read: reader.read,
    malformed: step.done ? step.value.malformed : 0,
  };
}

/** Knows which line comes next, also in the middle of a batch. */
function createReader(from: Position) {
  let { after, part } = from;
  /** The batch that is being read, and how many of its lines were given; the lines of a batch come together. */
  let batch: { readonly source: AuditLine['source']; readonly place: number; lines: number } | undefined;
  let read = 0;
  let at = 0;

  return {
    get read() {
      return read;
    },
    /** When the request of the last line was decided. */
    get at() {
      return at;
    },
    /** Whether nobody had this line who has the position that this reader began at. Asked once for each line. */
    isNew({ source, place }: AuditLine): boolean {
      if (batch?.source !== source || batch.place !== place) batch = { source, place, lines: 0 };
      batch.lines += 1;
      const wasPart = from.part?.source === source && place === from.after[source] + 1;
      return !wasPart || batch.lines > (from.part?.lines ?? 0);
    },
    take(line: AuditLine): void {
      read += 1;
      at = line.at;
      const isLast = line.next[line.source] === line.place;
      // A batch of the other source may come between the parts of one: it takes nothing from what was read of that.
      if (!isLast) part = { source: line.source, lines: batch?.lines ?? 0 };
      else if (part?.source === line.source) part = undefined;
      after = line.next;
    },
    position: (): Position => (part === undefined ? { after } : { after, part }),
  };
}
