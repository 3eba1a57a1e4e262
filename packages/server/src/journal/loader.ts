import type { Tx } from '#platform';
import { createRecordSet, type RecordSet } from './record-set.ts';
import type { StateHash } from './state-hash.ts';
import type { JournalStore, Page } from './store.ts';

/**
 * Reads all records, aside from those in use. In `tx` no record may change meanwhile: it is a repeatable read, or holds
 * the moment.
 */
export async function loadRecords(tx: Tx, store: JournalStore, stateHash: StateHash): Promise<RecordSet> {
  const records = createRecordSet(stateHash);
  const pages = await store.pages(tx);
  let next: Promise<Page> | undefined = pages > 0 ? store.page(tx, 0) : undefined;
  for (let number = 1; next !== undefined; number += 1) {
    const page: Page = await next;
    // The database reads the next page while this one is hashed.
    next = number < pages ? store.page(tx, number) : undefined;
    // Waited for in the next round; should this one throw, nobody does.
    next?.catch(() => undefined);
    for (const change of page.changes) records.load(change);
    // One at a time: each may have megabytes.
    for (const { scope, path } of page.large) records.load(await store.sealed(tx, scope, path));
  }
  return records;
}
