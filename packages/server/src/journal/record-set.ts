import { createKeptValues } from './kept-values.ts';
import { createRecords, type Records } from './records.ts';
import { createSlabs } from './slabs.ts';
import { emptySum, type StateHash, type Sum } from './state-hash.ts';

/** A record as it is stored, or that it is gone. */
export interface Change {
  readonly scope: string;
  readonly path: string;
  /** Absent when the record is gone. */
  readonly sealed: Uint8Array | undefined;
}

/** All records of one moment, with their sum. */
export interface RecordSet {
  /** Of what was loaded: changes made in a turn count once `settle` says so. */
  sum: Sum;
  of(scope: string): Records;
  load(change: Change): void;
  size(): number;
}

/**
 * In sealed bytes; decoded they take twice as much. Enough for the tokens and secrets of 20,000 busy clients: what is not
 * there is decrypted again, in some ten microseconds.
 */
const maxKeptBytes = 8 * 1024 * 1024;

export function createRecordSet(stateHash: StateHash): RecordSet {
  const slabs = createSlabs();
  const values = createKeptValues(maxKeptBytes);
  const scopes = new Map<string, Records>();

  function of(scope: string): Records {
    let records = scopes.get(scope);
    if (records === undefined) {
      records = createRecords(slabs, values);
      scopes.set(scope, records);
    }
    return records;
  }

  const set: RecordSet = {
    sum: emptySum(),
    of,
    load({ scope, path, sealed }) {
      const records = of(scope);
      const before =
        sealed === undefined ? records.delete(path) : records.set(path, { sealed, value: undefined });
      if (sealed !== undefined) stateHash.add(set.sum, scope, path, sealed);
      if (before !== undefined) stateHash.subtract(set.sum, scope, path, before.sealed);
    },
    size: () => [...scopes.values()].reduce((count, records) => count + records.size, 0),
  };
  return set;
}
