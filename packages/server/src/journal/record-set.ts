import { createRecords, type Records } from './records.ts';
import { emptySum, type StateHash, type Sum } from './state-hash.ts';

/** A record as it is stored, or that it is gone. `sealed` has one character per byte. */
export interface Change {
  readonly scope: string;
  readonly path: string;
  /** Absent when the record is gone. */
  readonly sealed: string | undefined;
}

/** All records of one moment, with their sum. */
export interface RecordSet {
  /** Of what was loaded: changes made in a turn count once `settle` says so. */
  sum: Sum;
  of(scope: string): Records;
  load(change: Change): void;
  size(): number;
}

export function createRecordSet(stateHash: StateHash): RecordSet {
  const scopes = new Map<string, Records>();

  function of(scope: string): Records {
    let records = scopes.get(scope);
    if (records === undefined) {
      records = createRecords();
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
        sealed === undefined ? records.get(path) : records.set(path, { sealed, value: undefined });
      if (sealed === undefined) records.delete(path);
      else stateHash.add(set.sum, scope, path, sealed);
      if (before !== undefined) stateHash.subtract(set.sum, scope, path, before.sealed);
    },
    size: () => [...scopes.values()].reduce((count, records) => count + records.size, 0),
  };
  return set;
}
