import { Fault, isFault } from '@sallyport/formats';
import { NoResultError } from 'kysely';

/** What a failed statement means for the caller: nothing there, try again, or do not try again. */
export type SqlErrorClass = 'missing' | 'transient' | 'permanent';

const lostConnection = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'ENOENT']);
// pg reports a dropped socket and a full pool without a code, by these texts (pg 8.23, pg-pool 3).
const lostTexts = [
  'connection terminated',
  'timeout exceeded when trying to connect',
  'not queryable',
  'database has stopped',
];

function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** PostgreSQL appendix A: 40001 serialization failure, 40P01 deadlock. Nothing was written; the same work may succeed. */
export function isContention(error: unknown): boolean {
  const state = sqlState(error);
  return state === '40001' || state === '40P01';
}

function isLost(error: unknown, state: string | undefined): boolean {
  if (state !== undefined) {
    // 08 connection, 53 resources, 57P0x shut down or crash, 58 system.
    return lostConnection.has(state) || /^(08|53|57P0|58)/.test(state);
  }
  if (!(error instanceof Error)) return false;
  const text = error.message.toLowerCase();
  return lostTexts.some((lost) => text.includes(lost));
}

/** The class of an engine error, or undefined when `error` did not come from the engine. */
export function classifySqlError(error: unknown): SqlErrorClass | undefined {
  if (isFault(error)) return undefined;
  if (error instanceof NoResultError) return 'missing';
  const state = sqlState(error);
  if (isContention(error) || isLost(error, state)) return 'transient';
  return state !== undefined && /^[0-9A-Z]{5}$/.test(state) ? 'permanent' : undefined;
}

/** Turns an engine error into a Fault; returns anything else as it is. The statement and its values are not repeated. */
export function faultOf(error: unknown): unknown {
  const state = sqlState(error);
  switch (classifySqlError(error)) {
    case undefined:
      return error;
    case 'missing':
      return new Fault('not_found', 'platform.db_missing', 'expected a row, found none', { cause: error });
    case 'transient':
      return isContention(error)
        ? new Fault(
            'unavailable',
            'platform.db_contended',
            'the transaction lost against others and was given up',
            {
              hint: 'try again',
              cause: error,
            },
          )
        : new Fault(
            'unavailable',
            'platform.db_unavailable',
            'the database cannot be reached or cannot work',
            {
              hint: 'see the log of the server and of the database',
              details: state === undefined ? {} : { sqlState: state },
              cause: error,
            },
          );
    case 'permanent':
      // 23505 unique, 23503 foreign key, 23P01 exclusion: the row conflicts with one that is there.
      return state === '23505' || state === '23503' || state === '23P01'
        ? new Fault('conflict', 'platform.db_conflict', 'the change conflicts with stored data', {
            cause: error,
          })
        : new Fault('internal', 'platform.db_refused', 'the database refused a statement', {
            details: { sqlState: state ?? '' },
            cause: error,
          });
  }
}
