import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { createKeyring, fileSeal, type Keyring, keyringMigrations } from '#keyring';
import type { Audit, Db, LedgerEvent } from '#platform';
import { systemRandom } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import {
  countingIds,
  type FixedClock,
  fixedClock,
  recordingAudit,
  silentLog,
} from '../../test-support/fakes.ts';
import { onRecords } from '../../test-support/stored-records.ts';
import type { SealedEvents } from './audit-verify.ts';
import { createJournal, type Journal, type JournalDeps } from './journal.ts';
import { journalMigrations } from './migrations.ts';

/** A database with a keyring and whatever journals a test opens on it. */
export interface World {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly directory: string;
  readonly clock: FixedClock;
  readonly audit: Audit;
  readonly sealedEvents: SealedEvents;
  /** Opens a journal with a memory of its own. */
  open(options?: Partial<JournalDeps>): Promise<Journal>;
  /** Changes the database past every server; there it has a table `journal_records`, see `onRecords`. */
  tamper(statement: string): Promise<void>;
  rows<T>(query: string): Promise<readonly T[]>;
  /** An empty state: no records, no audit, no files. Closes what was opened. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Stands for the ledger: events are rows of the same transaction, and are read back newest first. */
const eventsMigration = {
  name: 'zz-test/0001-events',
  sql: 'create table test_events (id bigint generated always as identity primary key, event jsonb not null)',
};

const audit: Audit = {
  async record(tx, event) {
    await sql`insert into test_events (event) values (${JSON.stringify(event)}::jsonb)`.execute(tx);
  },
};

export async function openWorld(): Promise<World> {
  const test: TestDb = await openTestDb([...keyringMigrations, ...journalMigrations, eventsMigration]);
  const { db } = test;
  const root = await mkdtemp(join(tmpdir(), 'sallyport-journal-'));
  const clock = fixedClock();
  const keyring = createKeyring({
    db,
    audit: recordingAudit(),
    clock,
    ids: countingIds(),
    seal: fileSeal(join(root, 'root.key'), systemRandom),
    log: silentLog,
    random: systemRandom,
  });
  await keyring.open();
  let opened: Journal[] = [];
  let folders = 0;
  const folder = (): string => join(root, `data-${folders}`);

  const sealedEvents: SealedEvents = async (resource, limit, before = Number.MAX_SAFE_INTEGER) => {
    const { rows } = await db.read((tx) =>
      sql<{ id: number; event: LedgerEvent }>`select id, event from test_events
        where event->>'resource' = ${resource} and id < ${before} order by id desc limit ${limit}`.execute(
        tx,
      ),
    );
    const last = rows.length === limit ? rows.at(-1)?.id : undefined;
    return { events: rows.map(({ event }) => event), ...(last === undefined ? {} : { next: last }) };
  };

  async function closeAll(): Promise<void> {
    const all = opened;
    opened = [];
    await Promise.all(all.map((journal) => journal.close()));
  }

  return {
    db,
    keyring,
    get directory() {
      return folder();
    },
    clock,
    audit,
    sealedEvents,
    async open(options = {}) {
      const journal = createJournal({
        db,
        audit,
        clock,
        random: systemRandom,
        log: silentLog,
        cipher: (scope) => keyring.cipher(scope),
        sealedEvents,
        alone: true,
        directory: folder(),
        ...options,
      });
      await journal.open();
      opened.push(journal);
      return journal;
    },
    async tamper(statement) {
      await db.write((tx) => onRecords(tx, statement));
    },
    async rows<T>(query: string) {
      return (await db.write((tx) => onRecords<T>(tx, query))).rows;
    },
    async reset() {
      await closeAll();
      folders += 1;
      await db.write((tx) =>
        sql
          .raw(
            `truncate journal_changes, journal_batches, test_events;
             update journal_moment set epoch = 0, clock = 0, swept = 0, mark = null, state_key = null;
             update journal_sealed set place = 0, chain = decode(repeat('00', 32), 'hex')`,
          )
          .execute(tx),
      );
    },
    async close() {
      await closeAll();
      await keyring.close();
      await test.close();
      await rm(root, { recursive: true });
    },
  };
}

/** One audit line that says `text`. */
export function line(text: string): Buffer {
  return Buffer.from(`${JSON.stringify({ text })}\n`);
}

/** Puts a text into scope `system`; gives what was there. */
export function put(journal: Journal, path: string, text: string): Promise<string | undefined> {
  return journal.run((turn) => {
    const space = turn.space('system');
    const before = space.get(path)?.toString();
    space.put(path, Buffer.from(text));
    return { answer: before, audit: [line(`put ${path}`)] };
  });
}

export function get(journal: Journal, path: string): Promise<string | undefined> {
  return journal.run((turn) => ({
    answer: turn.space('system').get(path)?.toString(),
    audit: [line(`get ${path}`)],
  }));
}

export function remove(journal: Journal, path: string): Promise<void> {
  return journal.run((turn) => {
    turn.space('system').delete(path);
    return { answer: undefined, audit: [line(`delete ${path}`)] };
  });
}

/** Adds one to a number and gives the new one. */
export function increment(journal: Journal, path: string): Promise<number> {
  return journal.run((turn) => {
    const space = turn.space('system');
    const next = Number(space.get(path)?.toString() ?? 0) + 1;
    space.put(path, Buffer.from(String(next)));
    return { answer: next, audit: [line(`increment ${path} to ${next}`)] };
  });
}
