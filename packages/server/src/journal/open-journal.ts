import type { Fault } from '@sallyport/formats';
import { type Anchor, readAnchor, requireNotRolledBack, writeAnchor } from './anchor.ts';
import { createAppendQueue } from './append-queue.ts';
import { createArchive } from './archive.ts';
import { type AuditCursor, type AuditLine, readAudit } from './audit-reader.ts';
import { type AuditReport, verifyAudit } from './audit-verify.ts';
import { createCiphers } from './ciphers.ts';
import { createSteadyClock, type SteadyClock } from './clock.ts';
import { createCommitter, type StoreCommitter } from './committer.ts';
import { createCompaction } from './compaction.ts';
import { createFindings, type Findings } from './findings.ts';
import type { JournalDeps } from './journal.ts';
import { type JournalFile, openJournalFile } from './journal-file.ts';
import { createLane, type Lane } from './lane.ts';
import { type ReadAudit, tableReads } from './read-audit.ts';
import { createRewrap, type Rewrap } from './rewrap.ts';
import { createState, type State } from './state.ts';
import { createStateHash } from './state-hash.ts';
import { openStateKey } from './state-key.ts';
import { journalStore as store } from './store.pg.ts';
import type { RecordCipher } from './turn.ts';

/** The parts of a journal that is open, wired. */
export interface OpenJournal {
  readonly state: State;
  readonly clock: SteadyClock;
  readonly committer: StoreCommitter;
  readonly lane: Lane;
  readonly findings: Findings;
  readonly rewrap: Rewrap;
  readonly file: JournalFile | undefined;
  openScope(scope: string): Promise<void>;
  archiveOnce(): Promise<number>;
  sealAll(): Promise<void>;
  readAudit(after: AuditCursor): AsyncGenerator<AuditLine, void>;
  /** So far the audit is sealed. */
  auditEnd(): Promise<AuditCursor>;
  verifyAudit(): Promise<AuditReport>;
}

interface Deps extends JournalDeps {
  readonly steadyMilliseconds: () => number;
  readonly anchorFile: string;
  readonly fileDirectory: string;
  readonly closedFault: () => Fault;
}

const defaultMaxFileBytes = 64 * 1024 * 1024;
const clockToleranceMilliseconds = 60_000;
/** How old the time in the anchor gets. */
const anchorMilliseconds = 60_000;

export async function openJournal(deps: Deps): Promise<OpenJournal> {
  const { db, audit, log, random, alone } = deps;
  const key = await openStateKey(db, store, await deps.cipher('system'), random);
  const stateHash = createStateHash(key);
  key.fill(0);
  const findings = createFindings({ db, audit, log });
  const ciphers = createCiphers((scope, path) =>
    findings.report({
      code: 'journal.record_damaged',
      where: `${scope}:${path}`,
      message: 'a record is not what was written there',
    }),
  );
  const state = createState(stateHash, ciphers);
  const clock = createSteadyClock(deps.clock, deps.steadyMilliseconds);
  const sealedTo = await db.read((tx) => store.sealedTo(tx, 'file'));
  let file: JournalFile | undefined;
  const reads: ReadAudit = alone
    ? createAppendQueue(async (batch) => {
        if (file === undefined) throw new Error('expected the journal file to be open before the lane');
        await file.append(batch);
      })
    : tableReads(db, store);
  const committer = createCommitter({ db, store, state, stateHash, clock, random, findings, reads, alone });
  // Before the state: replicas may share the directory, and while this one loads another may see, and write down, more.
  const seen = await readAnchor(deps.anchorFile);
  await committer.load();
  let anchor = await checkAnchor(deps, seen, committer.moment.epoch);
  clock.atLeast(anchor?.clock ?? 0);
  warnOfSlowClock(deps, clock);
  if (alone) file = await openFile();

  async function openFile(): Promise<JournalFile> {
    const opened = await openJournalFile({
      directory: deps.fileDirectory,
      maxFileBytes: deps.maxFileBytes ?? defaultMaxFileBytes,
      sealedTo,
      onTorn: (sizeBytes) => log.warn({ sizeBytes }, 'the last write of the audit journal had not ended'),
    });
    return opened;
  }

  async function refreshScope(scope: string): Promise<RecordCipher> {
    const cipher = await deps.cipher(scope);
    await cipher.refresh();
    ciphers.set(scope, cipher);
    return cipher;
  }

  async function openScope(scope: string): Promise<void> {
    if (ciphers.isReady(scope)) return;
    if (ciphers.isStale(scope)) await refreshScope(scope);
    else ciphers.set(scope, await deps.cipher(scope));
  }

  const lane = createLane({ state, clock, committer, openScope, closedFault: deps.closedFault });
  const archive = createArchive({ db, store, audit, findings, file });
  const compaction = createCompaction({ db, store, state, lane, committer, alone: alone });
  if (alone) {
    await archive.table();
    await committer.catchUp();
  }

  async function moveAnchor(): Promise<void> {
    const next = { epoch: committer.moment.epoch, clock: clock.now() };
    if (anchor?.epoch === next.epoch && next.clock - anchor.clock < anchorMilliseconds) return;
    await writeAnchor(deps.anchorFile, next);
    anchor = next;
  }

  async function archiveNow(): Promise<number> {
    // An idle replica would otherwise fall behind until its next request, which then waits for all of it.
    if (!alone) await lane.alone(() => committer.catchUp());
    await findings.store();
    const sealed = await archive.some();
    await moveAnchor();
    await compaction.some(clock.now());
    return sealed;
  }

  async function sealNow(): Promise<void> {
    await findings.store();
    await archive.all();
    await moveAnchor();
  }

  /** One at a time: they would do the same work. */
  let queue: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(work);
    queue = result.catch(() => undefined);
    return result;
  }

  return {
    state,
    clock,
    committer,
    lane,
    findings,
    rewrap: createRewrap({ state, lane, findings, refreshScope }),
    file,
    openScope,
    archiveOnce: () => inTurn(archiveNow),
    sealAll: () => inTurn(sealNow),
    auditEnd: () =>
      db.read(async (tx) => ({
        file: (await store.sealedTo(tx, 'file')).place,
        table: (await store.sealedTo(tx, 'table')).place,
      })),
    readAudit: (after) => readAudit({ db, store, file }, after),
    verifyAudit: () => verifyAudit({ db, store, file }, deps.sealedEvents),
  };
}

/** Refuses a database that is older than what this server has seen, unless it was accepted; that is recorded. */
async function checkAnchor(
  { anchorFile, acceptRestoredState, db, audit }: Deps,
  anchor: Anchor | undefined,
  epoch: number,
): Promise<Anchor | undefined> {
  requireNotRolledBack(anchor, epoch, acceptRestoredState);
  if (anchor === undefined || epoch >= anchor.epoch) return anchor;
  await db.write((tx) =>
    audit.record(tx, {
      type: 'journal.restore.accepted',
      actor: { kind: 'system', id: 'operator' },
      resource: 'journal/state',
      detail: { seen: anchor.epoch, found: epoch },
    }),
  );
  // At once: the next start must not ask for a state that is gone for good.
  const accepted = { epoch, clock: anchor.clock };
  await writeAnchor(anchorFile, accepted);
  return accepted;
}

function warnOfSlowClock({ clock: wall, log }: Deps, clock: SteadyClock): void {
  const ahead = clock.now() - wall.now().getTime();
  if (ahead < clockToleranceMilliseconds) return;
  log.warn(
    { milliseconds: ahead },
    'the clock of this machine is behind the stored time; leases go by the stored time',
  );
}
