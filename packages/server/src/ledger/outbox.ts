import { Fault, leafHash, maxEntryBytes } from '@sallyport/formats';
import type { Audit, Clock, Ids, Tx } from '#platform';
import { encodeEvent, readEntry } from './events.ts';
import { ledgerStore } from './store.pg.ts';
import type { LedgerStore } from './store.ts';

/**
 * The half of the ledger that contexts write to. It needs no key, so that the keyring, whose signer the other half
 * needs, can be audited from its first key on.
 *
 * KNOWN LIMIT: a pending entry is not authenticated. Whoever can write to the database can add an event before it is
 * integrated; the event then stands in the log for ever, under the name it claims.
 */
export function createAudit(deps: { readonly clock: Clock; readonly ids: Ids }): Audit {
  return createOutbox(ledgerStore, deps);
}

export interface Outbox extends Audit {
  /**
   * Adds `body` as a leaf, in the caller's transaction. The id follows from the bytes: the same body is the same
   * entry, however often it is appended.
   */
  appendEvidence(tx: Tx, body: Uint8Array): Promise<string>;
  /** The same for many bodies; `fresh` when the entry was neither pending nor in the log before. */
  appendAllEvidence(tx: Tx, bodies: readonly Uint8Array[]): Promise<readonly AppendedEvidence[]>;
}

export interface AppendedEvidence {
  readonly entryId: string;
  readonly fresh: boolean;
}

export function createOutbox(
  store: LedgerStore,
  { clock, ids }: { readonly clock: Clock; readonly ids: Ids },
): Outbox {
  return {
    async record(tx, event) {
      const entryId = ids.next('evt');
      const body = encodeEvent(event, entryId, clock.now());
      await store.insertPending(tx, { entryId, resource: event.resource, body, leafHash: leafHash(body) });
    },
    async appendEvidence(tx, body) {
      const pending = pendingEvidence(body);
      await store.insertPending(tx, pending);
      return pending.entryId;
    },
    async appendAllEvidence(tx, bodies) {
      // One row per id: a statement that meets its own row again would be refused.
      const byId = new Map(bodies.map((body) => [evidenceId(body), body] as const));
      const placed = new Set((await store.findEntries(tx, [...byId.keys()])).map(({ entryId }) => entryId));
      const missing = [...byId].filter(([entryId]) => !placed.has(entryId));
      const fresh = new Set(
        await store.insertAllPending(
          tx,
          missing.map(([, body]) => pendingEvidence(body)),
        ),
      );
      return bodies.map((body) => {
        const entryId = evidenceId(body);
        // The first of equal bodies is the new one.
        return { entryId, fresh: fresh.delete(entryId) };
      });
    },
  };
}

function pendingEvidence(body: Uint8Array): Parameters<LedgerStore['insertPending']>[1] {
  const entryId = evidenceId(body);
  return { entryId, resource: null, body, leafHash: leafHash(body) };
}

function evidenceId(body: Uint8Array): string {
  if (body.length === 0 || body.length > maxEntryBytes) {
    throw new Fault(
      'invalid',
      'ledger.evidence_size',
      `expected evidence of 1 to ${maxEntryBytes} bytes, got ${body.length}`,
      { hint: 'log the digest of what is larger' },
    );
  }
  const entry = readEntry(body);
  // Evidence that reads as an event would be taken for the state of a resource.
  if (entry.kind !== 'evidence') {
    throw new Fault('invalid', 'ledger.evidence_form', 'expected evidence, got the bytes of an event');
  }
  return entry.id;
}
