import { Fault } from '@sallyport/formats';
import { holdsText, viewOf } from './entry-view.ts';
import type { LongLine } from './lines.ts';
import { matchesPath } from './path-glob.ts';

/** What is asked of a line; everything given must hold. */
export interface AuditFilter {
  /** Milliseconds since 1970: `since` <= time < `until`. */
  readonly since?: number;
  readonly until?: number;
  readonly type?: 'request' | 'response' | 'gap' | 'oversize';
  /** See `matchesPath`. */
  readonly path?: string;
  readonly operation?: string;
  readonly requestId?: string;
  readonly entityId?: string;
  /** As the login method named whoever asked, or asked for a token. */
  readonly displayName?: string;
  /** As it stands in the log: hashed, unless the device shows accessors. */
  readonly accessor?: string;
  /** What `sys/audit-hash` gave; it may stand anywhere in the line. */
  readonly hash?: string;
  readonly errorsOnly?: boolean;
  /** The search ends after as many matches. */
  readonly limit: number;
}

export interface AuditMatch {
  /** The number of the line, from 1; empty lines are not counted. */
  readonly number: number;
  /** The line without its newline. */
  readonly line: Buffer;
}

export interface SearchSummary {
  readonly read: number;
  readonly matched: number;
  /** Lines that are no JSON object: cut by a full disk, or not ours. */
  readonly malformed: number;
  readonly tooLong: number;
  /** Lines the device said it did not get, in what was read: an empty answer is no proof when this is not 0. */
  readonly missing: number;
  /** Whether it ended because of `limit`. */
  readonly limited: boolean;
}

const maxTextChars = 1024;
const maxLimit = 1_000_000;

/**
 * The lines that match, in order, as they are read: nothing is kept, so a log of any size is searched in constant
 * memory. Returns what it saw, so that nobody takes a log with holes for a complete one. Throws `vault.audit_filter`
 * at the first step when the filter is none.
 */
export async function* searchAudit(
  lines: AsyncIterable<Buffer | LongLine>,
  filter: AuditFilter,
): AsyncGenerator<AuditMatch, SearchSummary, void> {
  const test = compile(filter);
  // Texts that stand in a line as they are: most lines are passed over without being parsed.
  const needles = [filter.requestId, filter.entityId, filter.accessor, filter.hash]
    .filter((text) => text !== undefined && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text))
    .map((text) => Buffer.from(text ?? ''));
  let read = 0;
  let matched = 0;
  let malformed = 0;
  let tooLong = 0;
  let missing = 0;
  const summary = (limited: boolean): SearchSummary => ({
    read,
    matched,
    malformed,
    tooLong,
    missing,
    limited,
  });

  for await (const line of lines) {
    read++;
    if ('tooLongBytes' in line) {
      tooLong++;
      continue;
    }
    const isGap = line.indexOf('"type":"gap"') >= 0;
    if (!isGap && needles.some((needle) => line.indexOf(needle) < 0)) continue;
    const parsed = parse(line);
    if (parsed === undefined) {
      malformed++;
      continue;
    }
    if (isGap) missing += gapOf(parsed);
    if (!test(parsed)) continue;
    matched++;
    yield { number: read, line };
    if (matched >= filter.limit) return summary(true);
  }
  return summary(false);
}

function compile(filter: AuditFilter): (parsed: object) => boolean {
  for (const text of [
    filter.path,
    filter.operation,
    filter.requestId,
    filter.entityId,
    filter.displayName,
    filter.accessor,
    filter.hash,
  ]) {
    if (text !== undefined && (text === '' || text.length > maxTextChars)) {
      throw invalidFilter(`texts of 1 to ${maxTextChars} characters`, `${text.length}`);
    }
  }
  if (!Number.isSafeInteger(filter.limit) || filter.limit < 1 || filter.limit > maxLimit) {
    throw invalidFilter(`a limit of 1 to ${maxLimit}`, String(filter.limit));
  }
  for (const time of [filter.since, filter.until]) {
    if (time !== undefined && !Number.isFinite(time)) throw invalidFilter('times', String(time));
  }

  return (parsed) => {
    const view = viewOf(parsed);
    if (filter.since !== undefined && !(view.time !== undefined && view.time >= filter.since)) return false;
    if (filter.until !== undefined && !(view.time !== undefined && view.time < filter.until)) return false;
    if (filter.type !== undefined && view.type !== filter.type) return false;
    if (filter.operation !== undefined && view.operation !== filter.operation) return false;
    if (filter.requestId !== undefined && view.requestId !== filter.requestId) return false;
    if (filter.entityId !== undefined && view.entityId !== filter.entityId) return false;
    if (filter.displayName !== undefined && view.displayName !== filter.displayName) return false;
    if (filter.accessor !== undefined && !view.accessors.includes(filter.accessor)) return false;
    if (filter.errorsOnly === true && view.error === undefined) return false;
    if (filter.path !== undefined && !(view.path !== undefined && matchesPath(filter.path, view.path)))
      return false;
    return filter.hash === undefined || holdsText(parsed, filter.hash);
  };
}

/** Not the strict reader: that one is for what we act on; this shows what a file says, deep or odd as it may be. */
function parse(line: Buffer): object | undefined {
  try {
    const parsed: unknown = JSON.parse(line.toString('utf8'));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function gapOf(parsed: object): number {
  if (viewOf(parsed).type !== 'gap' || !Object.hasOwn(parsed, 'dropped')) return 0;
  const dropped: unknown = Reflect.get(parsed, 'dropped');
  return typeof dropped === 'number' && Number.isSafeInteger(dropped) && dropped > 0 ? dropped : 0;
}

function invalidFilter(expected: string, got: string): Fault {
  return new Fault(
    'invalid',
    'vault.audit_filter',
    `expected a filter of audit lines with ${expected}, got ${got}`,
  );
}
