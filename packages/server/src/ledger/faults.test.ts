import { leafHash, utf8, verifyInclusion } from '@sallyport/formats';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Db } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { countingIds, fixedClock, inTx, silentLog } from '../../test-support/fakes.ts';
import { demoMigration, demoTable, emptyTables, newSigner, putItem } from './demo.fixture.ts';
import { ledgerMigrations } from './index.ts';
import { createLedgerOn, type Ledger } from './ledger.ts';
import { ledgerStore } from './store.pg.ts';
import type { LedgerStore } from './store.ts';

/**
 * Each write of a batch fails once, in two ways: before it happened and after it happened; and so does the commit.
 * Nothing that was acknowledged may be lost, nothing may come twice, and the log must verify, before and after.
 */
let test: TestDb;
let db: Db;
const signer = newSigner();
const ids = countingIds();
const writes = [
  'insertPending',
  'lockSequencer',
  'takePending',
  'deletePending',
  'refusePending',
  'moveToEntries',
  'putTiles',
  'insertCheckpoint',
  'setHeadSize',
] as const;

const crash = new Error('the process stops here');

function onlyCrash(error: unknown): undefined {
  if (error !== crash) throw error;
}

function storeFailingAt(name: (typeof writes)[number], how: 'not written' | 'written'): LedgerStore {
  let failed = false;
  const original = ledgerStore[name] as (...parts: unknown[]) => Promise<unknown>;
  return {
    ...ledgerStore,
    [name]: async (...parts: unknown[]) => {
      if (failed) return original(...parts);
      failed = true;
      if (how === 'written') await original(...parts);
      throw crash;
    },
  };
}

/** Loses the answer of the n-th commit, or the commit itself. */
function dbFailingAt(n: number, how: 'not written' | 'written'): Db {
  let count = 0;
  return {
    engine: db.engine,
    read: db.read,
    statement: db.statement,
    write: async (work) => {
      count += 1;
      if (count !== n) return db.write(work);
      if (how === 'written') await db.write(work);
      throw crash;
    },
  };
}

function newLedger(store: LedgerStore, on: Db = db): Ledger {
  return createLedgerOn(store, {
    db: on,
    clock: fixedClock(),
    ids,
    signer,
    origin: 'log.example',
    log: silentLog,
  });
}

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, demoMigration]);
  db = test.db;
});
afterAll(() => test.close());
beforeEach(async () => {
  await emptyTables(db);
  const ledger = newLedger(ledgerStore);
  for (let i = 0; i < 3; i += 1) await inTx(db, (tx) => putItem(ledger, tx, 'before', `${i}`));
  await ledger.integrate();
});

/** Appends what the caller then believes to be durable, and integrates; gives the ids that were acknowledged. */
async function append(ledger: Ledger): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let i = 0; i < 5; i += 1) {
    const entryId = await inTx(db, async (tx) => {
      await putItem(ledger, tx, `item-${i}`, 'value');
      return ledger.appendEvidence(tx, utf8(`evidence ${i}`));
    }).catch(onlyCrash);
    if (entryId !== undefined) acknowledged.push(entryId);
  }
  return acknowledged;
}

async function expectWhole(acknowledged: readonly string[]): Promise<void> {
  const between = await newLedger(ledgerStore).verify([demoTable]);
  expect(between.findings).toEqual([]);

  const restarted = newLedger(ledgerStore);
  const proofs = await Promise.all(acknowledged.map((entryId) => restarted.proofFor(entryId)));
  for (const proof of proofs) {
    const bodies = Array.from({ length: 5 }, (_, i) => utf8(`evidence ${i}`));
    const body = bodies.find((one) => proof.entryId.endsWith(Buffer.from(leafHash(one)).toString('hex')));
    verifyInclusion({ ...proof, leafHash: leafHash(body ?? utf8('none')) });
  }
  while ((await restarted.integrate()) > 0);
  const after = await restarted.verify([demoTable]);
  expect(after.findings).toEqual([]);
  expect(after.pending).toBe(0);
  // Each acknowledged transaction appended one event and one piece of evidence.
  expect(after.treeSize).toBe(3 + 2 * acknowledged.length);
}

describe.each(['not written', 'written'] as const)('a write that fails (%s)', (how) => {
  it.each(writes)('loses nothing at %s', async (name) => {
    const broken = newLedger(storeFailingAt(name, how));

    const acknowledged = await append(broken);
    await broken.integrate().catch(onlyCrash);

    expect(acknowledged.length).toBeGreaterThanOrEqual(4);
    await expectWhole(acknowledged);
  });

  it.each([1, 2])('loses nothing at commit %i of the sequencer', async (n) => {
    const broken = newLedger(ledgerStore, dbFailingAt(n, how));
    const acknowledged = await append(broken);

    await broken.integrate().catch(onlyCrash);
    // The same process goes on, as after a lost connection.
    await inTx(db, (tx) => putItem(broken, tx, 'before', 'again'));
    await inTx(db, (tx) => putItem(broken, tx, 'before', '2'));
    await broken.integrate().catch(onlyCrash);
    await broken.integrate();

    const report = await broken.verify([demoTable]);
    expect(report).toMatchObject({ ok: true, treeSize: 3 + 2 * acknowledged.length + 2, pending: 0 });
  });
});
