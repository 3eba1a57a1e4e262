import { type Digest, Fault, isFault } from '@sallyport/formats';
import type { AuditedTable, Tx } from '#platform';
import { type Entry, stateHashOf } from '../events.ts';
import type { Findings } from './report.ts';

/**
 * The last recorded state of every resource.
 *
 * KNOWN LIMIT: held in memory, about 300 bytes each.
 */
export interface LastStates {
  fold(entry: Entry, where: string): void;
  compare(
    tx: Tx,
    tables: readonly AuditedTable[],
    findings: Findings,
  ): Promise<{ readonly resources: number; readonly unchecked: readonly string[] }>;
}

export function createLastStates(): LastStates {
  const last = new Map<string, { readonly hash: Digest | null; readonly where: string }>();

  async function compareTable(tx: Tx, table: AuditedTable, findings: Findings): Promise<number> {
    const seen = new Set<string>();
    for (const [resource, state] of await statesOf(tx, table, findings)) {
      if (kindOf(resource) !== table.kind || seen.has(resource)) {
        findings.add(
          'state_misplaced',
          resource,
          `one row of kind "${table.kind}"`,
          'another or a second one',
        );
        continue;
      }
      seen.add(resource);
      const recorded = last.get(resource);
      const found = stateHashOf(state);
      if (recorded === undefined || recorded.hash === null) {
        const expected =
          recorded === undefined ? 'no row: nothing was ever recorded' : `no row since ${recorded.where}`;
        findings.add('state_unrecorded', resource, expected, found);
      } else if (recorded.hash !== found) {
        findings.add('state_differs', resource, `${recorded.hash} as of ${recorded.where}`, found);
      }
    }
    for (const [resource, recorded] of last) {
      if (recorded.hash === null || kindOf(resource) !== table.kind || seen.has(resource)) continue;
      findings.add('state_missing', resource, `${recorded.hash} as of ${recorded.where}`, 'no row');
    }
    return seen.size;
  }

  return {
    fold(entry, where) {
      if (entry.kind !== 'event' || entry.event.stateHash === undefined) return;
      last.set(entry.resource, { hash: entry.event.stateHash, where });
    },
    async compare(tx, tables, findings) {
      const known = new Set(tables.map((table) => table.kind));
      if (known.size !== tables.length) {
        throw new Fault('internal', 'ledger.audited_twice', 'expected one audited table per kind, got two');
      }
      let resources = 0;
      for (const table of tables) resources += await compareTable(tx, table, findings);
      const kinds = new Set(
        [...last].filter(([, { hash }]) => hash !== null).map(([resource]) => kindOf(resource)),
      );
      return { resources, unchecked: [...kinds.difference(known)].sort() };
    },
  };
}

/** A row that its own context cannot read is a difference, too. */
async function statesOf(tx: Tx, table: AuditedTable, findings: Findings): ReturnType<AuditedTable['states']> {
  try {
    return await table.states(tx);
  } catch (error) {
    if (!isFault(error) || (error.kind !== 'integrity' && error.kind !== 'invalid')) throw error;
    findings.add('state_unreadable', table.kind, 'rows that can be read', error.message);
    return [];
  }
}

function kindOf(resource: string): string {
  return resource.slice(0, resource.indexOf('/'));
}
