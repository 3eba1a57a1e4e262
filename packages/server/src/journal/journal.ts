import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Fault } from '@sallyport/formats';
import type { Audit, Clock, Db, Log } from '#platform';
import { readAnchor, requireNotRolledBack } from './anchor.ts';
import { type Archive, createArchive } from './archive.ts';
import { createSteadyClock } from './clock.ts';
import { createCommitter, type ReadAudit, type StoreCommitter, tableReads } from './committer.ts';
import { type JournalFile, openJournalFile } from './journal-file.ts';
import { createLane, type Decide, type Lane } from './lane.ts';
import { journalStore } from './store.pg.ts';
import { createState, type RecordCipher, type State, type Turn } from './turn.ts';

export interface Journal {
  /** Loads all records; until then, and after `close`, everything throws `journal.closed`. */
  open(): Promise<void>;
  /** See `Lane.run`: an answer leaves only after its audit and its changes are durable. */
  run<R>(decide: Decide<R>): Promise<R>;
  /**
   * Looks at the state between two turns, for what prepares a decision or feeds a view that is no answer to a client:
   * not audited, and perhaps undone a moment later. Changes made in it are dropped.
   */
  peek<R>(look: (turn: Turn) => R): R;
  /** Opens the scope's key ahead of a `peek`. */
  openScope(scope: string): Promise<void>;
  /** Seals what is durable into the ledger and moves the anchor; gives how many batches. */
  archive(): Promise<number>;
  /** The epoch of the state, and how many records it has. */
  status(): { readonly epoch: number; readonly records: number };
  /** Lets what was taken finish, then lets records and keys go. */
  close(): Promise<void>;
}

export interface JournalDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Log;
  readonly cipher: (scope: string) => Promise<RecordCipher>;
  /** Where the server keeps its own files: the journal of an embedded server, and the anchor. */
  readonly directory: string;
  /** The state that an operator accepts although this server has seen a later one. */
  readonly acceptRestoredState?: number;
}

const pageSize = 5000;

export function createJournal(deps: JournalDeps): Journal {
  const { db, audit, log } = deps;
  const store = journalStore;
  let open: Opened | undefined;

  async function load(state: State): Promise<{ epoch: number; clock: number }> {
    return await db.read(async (tx) => {
      const moment = await store.moment(tx);
      let after: { scope: string; path: string } | undefined;
      for (;;) {
        const page = await store.page(tx, after, pageSize);
        for (const change of page) state.load(change);
        after = page.at(-1);
        if (page.length < pageSize) return moment;
      }
    });
  }

  function opened(): Opened {
    if (open === undefined) throw closed();
    return open;
  }

  return {
    async open() {
      const anchorFile = join(deps.directory, 'anchor.json');
      const state = createState();
      const moment = await load(state);
      const anchor = await readAnchor(anchorFile);
      requireNotRolledBack(anchor, moment.epoch, deps.acceptRestoredState);
      const clock = createSteadyClock(deps.clock, () => performance.now());
      clock.atLeast(Math.max(moment.clock, anchor?.clock ?? 0));
      if (moment.clock > deps.clock.now().getTime() + 60_000) {
        log.warn({ stored: new Date(moment.clock) }, 'the clock of this machine is behind the stored time; leases go by the stored time');
      }
      const file = db.engine === 'pglite' ? await openJournalFile(join(deps.directory, 'journal')) : undefined;
      const reads: ReadAudit =
        file === undefined
          ? tableReads(db, store)
          : {
              // Alone with its directory, this process is where the state changes: its memory is the truth.
              async append(batch) {
                await file.append(batch);
                return true;
              },
            };
      const committer = createCommitter({ db, store, state, clock, reads }, moment.epoch);
      const openScope = async (scope: string): Promise<void> => {
        if (!state.openScopes.includes(scope)) state.open(scope, await deps.cipher(scope));
      };
      const lane = createLane({ state, clock, committer, openScope, closedFault: closed });
      const archive = createArchive({ db, store, audit, ...(file === undefined ? {} : { file }) });
      open = { state, clock, committer, lane, archive, file, openScope, anchorFile, anchored: anchor?.epoch };
      if (anchor !== undefined && moment.epoch < anchor.epoch) await recordAccepted(anchor.epoch, moment.epoch);
    },
    run: (decide) => (open === undefined ? Promise.reject(closed()) : open.lane.run(decide)),
    peek(look) {
      const { state, clock } = opened();
      const mark = state.mark();
      try {
        return look(state.turn(clock.now()));
      } finally {
        state.backTo(mark);
      }
    },
    openScope: (scope) => opened().openScope(scope),
    async archive() {
      const now = opened();
      const { epoch } = now.committer;
      const moved = await now.archive.some();
      if (now.anchored !== epoch) {
        await writeAnchor(now.anchorFile, epoch, now.clock.now());
        now.anchored = epoch;
      }
      return moved;
    },
    status: () => ({ epoch: opened().committer.epoch, records: opened().state.size() }),
    async close() {
      const was = open;
      if (was === undefined) return;
      await was.lane.close();
      await was.archive.some().catch((error: unknown) => log.warn({ err: error }, 'audit could not be sealed into the ledger yet'));
      open = undefined;
      await was.file?.close();
    },
  };

  async function recordAccepted(seen: number, found: number): Promise<void> {
    await db.write((tx) =>
      audit.record(tx, {
        type: 'journal.restore.accepted',
        actor: { kind: 'system', id: 'operator' },
        resource: 'journal/state',
        detail: { seen, found },
      }),
    );
  }
}

interface Opened {
  readonly state: State;
  readonly clock: { now(): number };
  readonly committer: StoreCommitter;
  readonly lane: Lane;
  readonly archive: Archive;
  readonly file: JournalFile | undefined;
  readonly openScope: (scope: string) => Promise<void>;
  readonly anchorFile: string;
  anchored: number | undefined;
}

async function writeAnchor(path: string, epoch: number, clock: number): Promise<void> {
  const draft = `${path}.new`;
  await writeFile(draft, JSON.stringify({ epoch, clock }), { mode: 0o600, flush: true });
  await rename(draft, path);
}

function closed(): Fault {
  return new Fault('unavailable', 'journal.closed', 'the server is sealed', {
    hint: 'unseal it with its key shares, then send the request again',
  });
}
