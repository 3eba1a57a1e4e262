import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Fault } from '@sallyport/formats';
import type { Audit, Clock, Db, Log, Random } from '#platform';
import { type AuditCursor, type AuditLine, fromTheStart } from './audit-reader.ts';
import type { AuditReport, SealedEvents } from './audit-verify.ts';
import type { Finding } from './findings.ts';
import type { Decide } from './lane.ts';
import { type OpenJournal, openJournal } from './open-journal.ts';
import type { RecordCipher, Turn } from './turn.ts';

export interface Journal {
  /** Loads all records; until then, and after `close`, everything throws `journal.closed`. */
  open(): Promise<void>;
  /** See `Lane.run`: an answer leaves only after its audit and its changes are durable. */
  run<R>(decide: Decide<R>): Promise<R>;
  /**
   * Looks at the state between two turns, for what prepares a decision or feeds a view that is no answer to a client:
   * not audited, and perhaps undone a moment later. Changes made in it are dropped. Throws `ScopeNotOpen`.
   */
  peek<R>(look: (turn: Turn) => R): R;
  /** Opens the scope's key ahead of a `peek`. */
  openScope(scope: string): Promise<void>;
  /**
   * Seals what is durable into the ledger, moves the anchor, follows other replicas, and now and then tidies up. Gives
   * how many batches; call it every few seconds, on every replica.
   */
  archive(): Promise<number>;
  /** Moves records to the newest key of their scope: see `Rewrap.some`. */
  rewrapSome(scope: string, limit: number): Promise<number>;
  /** All lines of the audit, in the order of time; see `readAudit`. Seals what is durable into the ledger first. */
  audit(options?: { readonly after?: AuditCursor }): AsyncGenerator<AuditLine, void>;
  /** Where the audit ends now, for a reader of what comes later. Seals what is durable into the ledger first. */
  auditEnd(): Promise<AuditCursor>;
  /** Compares the whole audit with its chains and with the ledger; see `verifyAudit`. */
  verifyAudit(): Promise<AuditReport>;
  /** What is not as the server wrote it. Everything else is served. */
  findings(): readonly Finding[];
  /** Takes the records as they are, for an operator who looked at `journal.records_differ`; recorded in the ledger. */
  acceptRecords(operator: { readonly kind: 'person' | 'system'; readonly id: string }): Promise<void>;
  /** The epoch of the state, and how many records it has. */
  status(): { readonly epoch: number; readonly records: number };
  /** Lets what was taken finish, then lets records and keys go. */
  close(): Promise<void>;
}

export interface JournalDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ciphers of the scopes; that of `system` seals the journal's own key as well. */
  readonly cipher: (scope: string) => Promise<RecordCipher>;
  /** `Ledger.eventsOf`. */
  readonly sealedEvents: SealedEvents;
  /**
   * Whether this process is the only one that changes the database: the audit of reads goes to a file then, and its
   * memory is the truth.
   */
  readonly alone: boolean;
  /** Where the server keeps its own files: the journal of a server that is alone, and the anchor. */
  readonly directory: string;
  /** A journal file that has this much is followed by a new one. */
  readonly maxFileBytes?: number;
  /** The state that an operator accepts although this server has seen a later one. */
  readonly acceptRestoredState?: number;
}

export function createJournal(deps: JournalDeps): Journal {
  const { db, audit, log } = deps;
  let open: OpenJournal | undefined;
  let opening: Promise<OpenJournal> | undefined;

  function opened(): OpenJournal {
    if (open === undefined) throw closed();
    return open;
  }

  return {
    async open() {
      if (open !== undefined) return;
      opening ??= (async () => {
        await mkdir(deps.directory, { recursive: true, mode: 0o700 });
        return await openJournal({
          ...deps,
          steadyMilliseconds: () => performance.now(),
          anchorFile: join(deps.directory, 'anchor.json'),
          fileDirectory: join(deps.directory, 'journal'),
          closedFault: closed,
        });
      })();
      try {
        open = await opening;
      } finally {
        opening = undefined;
      }
    },
    run: (decide) => (open === undefined ? Promise.reject(closed()) : open.lane.run(decide)),
    peek(look) {
      const { state, clock } = opened();
      const mark = state.mark();
      try {
        return state.turn(clock.now(), look);
      } finally {
        state.backTo(mark);
      }
    },
    openScope: async (scope) => await opened().openScope(scope),
    archive: async () => await opened().archiveOnce(),
    rewrapSome: async (scope, limit) => await opened().rewrap.some(scope, limit),
    async *audit(options = {}) {
      const now = opened();
      await now.sealAll();
      yield* now.readAudit(options.after ?? fromTheStart);
    },
    async auditEnd() {
      const now = opened();
      await now.sealAll();
      return await now.auditEnd();
    },
    async verifyAudit() {
      const now = opened();
      await now.sealAll();
      return await now.verifyAudit();
    },
    findings: () => opened().findings.list(),
    async acceptRecords(operator) {
      const { lane, committer } = opened();
      await lane.alone(() =>
        committer.accept((tx) =>
          audit.record(tx, {
            type: 'journal.records.accepted',
            actor: operator,
            resource: 'journal/state',
            detail: { epoch: committer.moment.epoch },
          }),
        ),
      );
    },
    status() {
      const { committer, state } = opened();
      return { epoch: committer.moment.epoch, records: state.size() };
    },
    async close() {
      const was = open;
      if (was === undefined) return;
      open = undefined;
      await was.lane.close();
      // Nothing is lost when the database is away: what is durable is sealed after the next start.
      await was.sealAll().catch((error: unknown) => {
        log.warn({ err: error, engine: db.engine }, 'audit could not be sealed into the ledger yet');
      });
      await was.file?.close();
    },
  };
}

function closed(): Fault {
  return new Fault('unavailable', 'journal.closed', 'the server is sealed', {
    hint: 'unseal it with its key shares, then send the request again',
  });
}
