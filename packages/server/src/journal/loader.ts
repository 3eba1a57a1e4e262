import type { Tx } from '#platform';
import { unpack } from './packed.ts';
import { createRecordSet, type RecordSet } from './record-set.ts';
import type { StateHash } from './state-hash.ts';
import { beforeAll, type JournalStore, type Part, type Place } from './store.ts';

/**
 * Reads all records, aside from those in use. In `tx` no record may change meanwhile: it is a repeatable read, or holds
 * the moment. `onDamaged` hears of each part that is not as it was written: all that can be read is served.
 */
export async function loadRecords(
  tx: Tx,
  store: JournalStore,
  stateHash: StateHash,
  onDamaged: (place: Place) => void,
): Promise<RecordSet> {
  const records = createRecordSet(stateHash);
  let next = store.page(tx, beforeAll);
  for (;;) {
    const page: readonly Part[] = await next;
    const last = page.at(-1);
    if (last === undefined) return records;
    // The database reads the next page while this one is hashed.
    next = store.page(tx, last);
    // Waited for in the next round; should this one throw, nobody does.
    next.catch(() => undefined);
    for (const part of page) {
      const { changes, isWhole } = unpack(part.packed);
      if (!isWhole) onDamaged(part);
      for (const change of changes) records.load(change);
    }
  }
}
