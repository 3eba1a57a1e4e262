import { Fault } from '@sallyport/formats';
import pg from 'pg';

/**
 * How column values reach the code, the same on both engines: `bigint` as a number (a Fault beyond 2^53, never a
 * rounded one), `numeric` and `date` as text, `timestamptz` as Date, `bytea` as Uint8Array, `json` parsed.
 */

const oids = { bytea: 17, int8: 20, date: 1082, int8Array: 1016 } as const;

function toSafeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new Fault('integrity', 'platform.db_number', `expected a whole number up to 2^53, got ${text}`);
  }
  return value;
}

function toBytes(text: string): Uint8Array {
  // `bytea_output` is hex by default on both engines: `\x` and pairs of digits.
  // A copy, because a short Buffer is a view of a pool that others share.
  return new Uint8Array(Buffer.from(text.slice(2), 'hex'));
}

const own: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [oids.bytea, toBytes],
  [oids.int8, toSafeNumber],
  [oids.date, (text) => text],
  [oids.int8Array, (text) => (text === '{}' ? [] : text.slice(1, -1).split(',').map(toSafeNumber))],
]);

export const valueTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => {
    const parser = format === 'binary' ? undefined : own.get(oid);
    return parser ?? pg.types.getTypeParser(oid, format);
  },
};
