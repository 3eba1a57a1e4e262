import type { Audit, Db, Log } from '#platform';

/** A difference between what the server wrote and what it found. It stays until an operator accepts it or a restart. */
export interface Finding {
  readonly code:
    | 'journal.records_differ'
    | 'journal.record_damaged'
    | 'journal.changes_damaged'
    | 'journal.file_cut';
  readonly message: string;
  /** What differs, as far as that is known: a record as `scope:path`. */
  readonly where: string;
}

export interface Findings {
  /** Reports a finding once, to the log now and to the ledger with `store`. */
  report(finding: Finding): void;
  list(): readonly Finding[];
  /** Writes what was reported since into the ledger. */
  store(): Promise<void>;
  /** Forgets the findings of that code. */
  accept(code: Finding['code']): void;
}

/** A damaged table has as many damaged records as it has rows. */
const maxFindings = 1000;

export function createFindings({
  db,
  audit,
  log,
}: {
  readonly db: Db;
  readonly audit: Audit;
  readonly log: Log;
}): Findings {
  const found = new Map<string, Finding>();
  let unstored: Finding[] = [];

  return {
    report(finding) {
      const key = `${finding.code} ${finding.where}`;
      if (found.has(key) || found.size >= maxFindings) return;
      found.set(key, finding);
      unstored.push(finding);
      log.error({ code: finding.code, where: finding.where }, 'the state is not what the server wrote');
    },
    list: () => [...found.values()],
    async store() {
      const stored = unstored;
      if (stored.length === 0) return;
      await db.write(async (tx) => {
        for (const { code, where, message } of stored) {
          await audit.record(tx, {
            type: 'journal.difference.found',
            actor: { kind: 'system', id: 'system' },
            resource: 'journal/state',
            detail: { code, where: where.slice(0, 500), message },
          });
        }
      });
      unstored = unstored.slice(stored.length);
    },
    accept(code) {
      for (const [key, finding] of found) if (finding.code === code) found.delete(key);
    },
  };
}
