import { toHex } from '@sallyport/formats';
import type { AuditedTable, Db } from '#platform';
import type { Heads } from '../head.ts';
import type { LedgerStore } from '../store.ts';
import { createReplay } from './replay.ts';
import { createFindings, type LedgerReport, type VerifyProgress } from './report.ts';
import { createLastStates } from './states.ts';

export interface Verifier {
  verify(
    tables: readonly AuditedTable[],
    onProgress?: (progress: VerifyProgress) => void,
    remembered?: readonly string[],
  ): Promise<LedgerReport>;
}

export interface VerifierDeps {
  readonly db: Db;
  readonly store: LedgerStore;
  readonly heads: Heads;
}

/**
 * Replays the log in short reads, so that writers are not held up however long it is: leaves, full tiles and
 * checkpoints never change. Only the rest, which does change (the right edge, pending entries and the tables), is
 * read in one last transaction, together with the few leaves that were added meanwhile.
 */
export function createVerifier({ db, store, heads }: VerifierDeps): Verifier {
  return {
    async verify(tables, onProgress = () => undefined, remembered = []) {
      const findings = createFindings();
      const states = createLastStates();
      const replay = createReplay({ store, heads, findings, states, remembered });
      const report = (treeSize: number): void => onProgress({ entries: replay.progress.size, treeSize });

      const treeSize = (await db.read((tx) => store.headSize(tx, false))) ?? 0;
      report(treeSize);
      while (replay.progress.size < treeSize && (await db.read((tx) => replay.page(tx)))) report(treeSize);

      const compared = await db.read(async (tx) => {
        while (await replay.page(tx));
        await replay.finish(tx);
        return states.compare(tx, tables, findings);
      });
      report(Math.max(treeSize, replay.progress.size));
      const { size, events, evidence, checkpoints, pending } = replay.progress;
      return {
        ok: findings.list.length === 0,
        origin: heads.origin,
        treeSize: size,
        rootHash: toHex(replay.root()),
        events,
        evidence,
        checkpoints,
        pending,
        resources: compared.resources,
        unchecked: compared.unchecked,
        findings: findings.list,
        findingsLeftOut: findings.leftOut,
      };
    },
  };
}
