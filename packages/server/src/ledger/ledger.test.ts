import {
  decodeEntryBundle,
  Fault,
  leafHash,
  parseCheckpoint,
  rootFromLeaves,
  utf8,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Db, LedgerEvent } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { countingIds, fixedClock, inTx, silentLog } from '../../test-support/fakes.ts';
import { demoMigration, demoTable, emptyTables, newSigner, putItem, removeItem } from './demo.fixture.ts';
import { createAudit, createLedger, type Ledger, ledgerMigrations } from './index.ts';

let test: TestDb;
let db: Db;
let ledger: Ledger;
const signer = newSigner();
const origin = 'log.example/ledger';
const ids = countingIds();

function newLedger(more: { origin?: string; signer?: typeof signer; waitSeconds?: number } = {}): Ledger {
  return createLedger({ db, clock: fixedClock(), ids, signer, origin, log: silentLog, ...more });
}

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, demoMigration]);
  db = test.db;
});
afterAll(() => test.close());
beforeEach(async () => {
  await emptyTables(db);
  ledger = newLedger();
});

const put = (name: string, value: string): Promise<void> =>
  inTx(db, (tx) => putItem(ledger, tx, name, value));
const evidence = (text: string): Promise<string> => inTx(db, (tx) => ledger.appendEvidence(tx, utf8(text)));
const execute = (statement: string): Promise<unknown> => inTx(db, (tx) => sql.raw(statement).execute(tx));
async function integrateAll(): Promise<void> {
  while ((await ledger.integrate()) > 0);
}

describe('appending', () => {
  it('gives every entry a place, and a proof that verifiers accept', async () => {
    const bodies = Array.from({ length: 40 }, (_, i) => `evidence ${i}`);
    for (const [i, body] of bodies.entries()) {
      const proof = await ledger.proofFor(await evidence(body));

      expect(proof.leafIndex).toBe(i);
      expect(proof.treeSize).toBe(i + 1);
      verifyInclusion({ ...proof, leafHash: leafHash(utf8(body)) });
      const head = verifyCheckpoint(proof.checkpoint, [{ name: origin, publicKey: signer.publicKeySpki }]);
      expect(head).toEqual({ origin, treeSize: proof.treeSize, rootHash: proof.rootHash });
    }
  });

  it('gives the caller nothing when its transaction fails', async () => {
    let entryId = '';
    const failed = inTx(db, async (tx) => {
      await putItem(ledger, tx, 'a', '1');
      entryId = await ledger.appendEvidence(tx, utf8('lost'));
      throw new Error('the caller fails');
    });
    await expect(failed).rejects.toThrow('the caller fails');

    expect(await ledger.integrate()).toBe(0);
    await expect(ledger.proofFor(entryId)).rejects.toMatchObject({
      kind: 'not_found',
      code: 'ledger.entry_unknown',
    });
    expect(await ledger.verify([demoTable])).toMatchObject({ ok: true, treeSize: 0, pending: 0 });
  });

  it('takes the same evidence as one entry, before and after it has a place', async () => {
    const first = await evidence('same');
    expect(await evidence('same')).toBe(first);
    const proof = await ledger.proofFor(first);
    expect(await evidence('same')).toBe(first);
    await integrateAll();

    expect((await ledger.proofFor(first)).leafIndex).toBe(proof.leafIndex);
    expect(await ledger.verify([])).toMatchObject({ ok: true, treeSize: 1, pending: 0 });
  });

  it('keeps the order of changes of a resource, and finds its events page by page', async () => {
    for (let i = 0; i < 7; i += 1) await put(i % 2 === 0 ? 'a' : 'b', `value ${i}`);
    await integrateAll();

    const first = await ledger.eventsOf('item/a', 3);
    expect(first.events.map((event) => event.leafIndex)).toEqual([6, 4, 2]);
    expect(first.events[0]).toMatchObject({
      type: 'demo.item.put',
      actor: { kind: 'person', id: 'psn_ada' },
      resource: 'item/a',
      detail: { note: 'put' },
      time: '2026-01-02T03:04:05.000Z',
    });
    const rest = await ledger.eventsOf('item/a', 3, first.next);
    expect(rest.events.map((event) => event.leafIndex)).toEqual([0]);
    expect(rest.next).toBeUndefined();
    expect((await ledger.eventsOf('item/none', 3)).events).toEqual([]);
  });

  it('serves the writer half without a key', async () => {
    const audit = createAudit({ clock: fixedClock(), ids });
    await inTx(db, (tx) => putItem(audit, tx, 'a', '1'));

    expect(await ledger.integrate()).toBe(1);
    expect(await ledger.verify([demoTable])).toMatchObject({ ok: true, events: 1, resources: 1 });
  });
});

describe('what is refused', () => {
  const event: LedgerEvent = {
    type: 'a.b.c',
    actor: { kind: 'person', id: 'psn_ada' },
    resource: 'thing/1',
    state: {},
  };
  const record = (change: object): Promise<void> =>
    // Hostile events have types the compiler would not allow.
    inTx(db, (tx) => ledger.record(tx, { ...event, ...change } as LedgerEvent));

  it.each([
    { type: 'nodots' },
    { type: 'A.b' },
    { type: 'a.b\n' },
    { resource: 'thing' },
    { resource: 'Thing/1' },
    { resource: 'thing/' },
    { resource: 'thing/a\nb' },
    { resource: `thing/${'x'.repeat(700)}` },
    { actor: { kind: 'root', id: 'x' } },
    { actor: { kind: 'person', id: 'x'.repeat(301) } },
  ])('an event that readers could not read: %j', async (change) => {
    await expect(record(change)).rejects.toMatchObject({ kind: 'invalid', code: 'ledger.event' });
  });

  it('an event beyond the size of an entry, or with a value that JSON does not have', async () => {
    await expect(record({ detail: 'x'.repeat(70_000) })).rejects.toMatchObject({
      code: 'ledger.event_too_large',
    });
    await expect(record({ detail: { at: undefined } })).rejects.toMatchObject({ kind: 'invalid' });
    await expect(record({ state: { n: Number.NaN } })).rejects.toMatchObject({ kind: 'invalid' });
    await expect(record({ detail: '\ud800' })).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('evidence that is empty, too large, or that reads as an event', async () => {
    await put('a', '1');
    const stolen = await db.read((tx) =>
      sql<{ body: Uint8Array }>`select body from ledger_outbox`.execute(tx),
    );
    const append = (body: Uint8Array) => inTx(db, (tx) => ledger.appendEvidence(tx, body));

    await expect(append(new Uint8Array(0))).rejects.toMatchObject({ code: 'ledger.evidence_size' });
    await expect(append(new Uint8Array(65_536))).rejects.toMatchObject({ code: 'ledger.evidence_size' });
    await expect(append(stolen.rows[0]?.body ?? utf8(''))).rejects.toMatchObject({
      code: 'ledger.evidence_form',
    });
    await append(new Uint8Array(65_535).fill(1));
    await integrateAll();
    expect(await ledger.entryBundle(0, 2)).toHaveLength(65_535 + 2 + (stolen.rows[0]?.body.length ?? 0) + 2);
  });
});

describe('the tree', () => {
  it('is the one RFC 9162 defines over the entries, across batches and full tiles', async () => {
    const bodies: string[] = [];
    // Sizes around the width of a tile and of a batch.
    for (const count of [1, 254, 1, 1, 3, 600]) {
      const more = Array.from({ length: count }, (_, i) => `body ${bodies.length + i}`);
      await inTx(db, async (tx) => {
        for (const body of more) await ledger.appendEvidence(tx, utf8(body));
      });
      bodies.push(...more);
      await integrateAll();

      const head = parseCheckpoint(await ledger.checkpoint());
      expect(head.treeSize).toBe(bodies.length);
      expect(head.rootHash).toEqual(rootFromLeaves(bodies.map((body) => leafHash(utf8(body)))));
    }

    const bundle = await ledger.entryBundle(1, 256);
    expect(decodeEntryBundle(bundle ?? utf8(''))).toEqual(bodies.slice(256, 512).map((body) => utf8(body)));
    expect(await ledger.tile(0, 0, 256)).toHaveLength(8192);
    expect((await ledger.tile(0, 0, 256))?.slice(0, 32)).toEqual(leafHash(utf8('body 0')));
    expect(await ledger.tile(0, 0, 7)).toHaveLength(7 * 32);
    expect(await ledger.tile(1, 0, 3)).toHaveLength(3 * 32);
    expect(await ledger.tile(0, 3, 93)).toBeUndefined();
    expect(await ledger.entryBundle(3, 93)).toBeUndefined();
    expect(await ledger.verify([])).toMatchObject({ ok: true, treeSize: 860, evidence: 860 });
  });

  it('gives consistency proofs between any two of its sizes', async () => {
    const heads = [];
    for (let i = 0; i < 9; i += 1) {
      await evidence(`body ${i}`);
      await integrateAll();
      heads.push(parseCheckpoint(await ledger.checkpoint()));
    }
    for (const first of heads) {
      for (const second of heads.filter((head) => head.treeSize >= first.treeSize)) {
        verifyConsistency({
          firstSize: first.treeSize,
          firstRoot: first.rootHash,
          secondSize: second.treeSize,
          secondRoot: second.rootHash,
          hashes: await ledger.consistencyProof(first.treeSize, second.treeSize),
        });
      }
    }
    await expect(ledger.consistencyProof(3, 10)).rejects.toMatchObject({ kind: 'invalid' });
    await expect(ledger.consistencyProof(4, 3)).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('has a signed checkpoint also when it is empty', async () => {
    const head = verifyCheckpoint(await ledger.checkpoint(), [
      { name: origin, publicKey: signer.publicKeySpki },
    ]);
    expect(head.treeSize).toBe(0);
  });
});

describe('several writers and replicas', () => {
  it('give every entry one place, whoever integrates', async () => {
    const replicas = [ledger, newLedger(), newLedger()];
    const proofs = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const replica = replicas[i % 3] ?? ledger;
        const entryId = await inTx(db, (tx) => replica.appendEvidence(tx, utf8(`body ${i}`)));
        return replica.proofFor(entryId);
      }),
    );

    expect(proofs.map((proof) => proof.leafIndex).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 60 }, (_, i) => i),
    );
    for (const [i, proof] of proofs.entries())
      verifyInclusion({ ...proof, leafHash: leafHash(utf8(`body ${i}`)) });
    expect(await ledger.verify([])).toMatchObject({ ok: true, treeSize: 60, pending: 0 });
  });

  it('share batches when they wait together', async () => {
    const entryIds = [];
    for (let i = 0; i < 100; i += 1) entryIds.push(await evidence(`body ${i}`));

    const proofs = await Promise.all(entryIds.map((entryId) => ledger.proofFor(entryId)));

    expect(new Set(proofs.map((proof) => proof.checkpoint)).size).toBe(1);
    expect(await ledger.verify([])).toMatchObject({ ok: true, checkpoints: 1 });
  });

  it('integrate in the background until they are stopped', async () => {
    ledger.start();
    await put('a', '1');
    await expect
      .poll(async () => parseCheckpoint(await ledger.checkpoint()).treeSize, { timeout: 5000, interval: 20 })
      .toBe(1);
    await ledger.stop();

    await put('a', '2');
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(parseCheckpoint(await ledger.checkpoint()).treeSize).toBe(1);
  });
});

const unavailable = new Fault('unavailable', 'platform.db_unavailable', 'the database is away');

describe('waiting for a proof', () => {
  it('ends with a clear refusal when nobody can integrate in time', async () => {
    const stuck = createLedger({
      db: { ...db, write: async () => Promise.reject(unavailable) },
      clock: fixedClock(),
      ids,
      signer,
      origin,
      log: silentLog,
      waitSeconds: 0.3,
    });
    const entryId = await evidence('body');

    await expect(stuck.proofFor(entryId)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'ledger.proof_timeout',
    });
    expect((await ledger.proofFor(entryId)).leafIndex).toBe(0);
  });
});

describe('a sequencer', () => {
  it('refuses to go on with a database that was set back under it', async () => {
    await put('a', '1');
    await integrateAll();
    await put('a', '2');
    await integrateAll();
    await execute('delete from ledger_entries where leaf_index = 1');
    await execute('delete from ledger_checkpoints where tree_size = 2');
    await execute('update ledger_head set tree_size = 1');
    await execute('update ledger_tiles set hashes = substring(hashes for 32)');

    await put('a', '3');
    await expect(ledger.integrate()).rejects.toMatchObject({ kind: 'integrity', code: 'ledger.rolled_back' });
  });

  it('does not build on tiles, heads or checkpoints that someone changed', async () => {
    await put('a', '1');
    await put('b', '1');
    await integrateAll();
    const changes = [
      [
        'update ledger_tiles set hashes = set_byte(hashes, 3, 255 - get_byte(hashes, 3))',
        'ledger.head_damaged',
      ],
      ['update ledger_tiles set hashes = substring(hashes for 32)', 'ledger.tile_missing'],
      ['update ledger_head set tree_size = 1', 'ledger.head_damaged'],
      ['delete from ledger_head', 'ledger.head_damaged'],
      [
        `update ledger_checkpoints set note = replace(note, E'\\n2\\n', E'\\n3\\n')`,
        'formats.checkpoint_signature',
      ],
      ['delete from ledger_checkpoints', 'ledger.head_damaged'],
    ] as const;

    for (const [change, code] of changes) {
      const fresh = newLedger();
      await execute('create table saved_tiles as select * from ledger_tiles');
      await execute('create table saved_head as select * from ledger_head');
      await execute('create table saved_checkpoints as select * from ledger_checkpoints');
      await execute(change);
      await put('c', '1');
      await expect(fresh.integrate()).rejects.toMatchObject({ kind: 'integrity', code });
      await execute('truncate ledger_tiles, ledger_head, ledger_checkpoints, ledger_outbox');
      await execute('insert into ledger_tiles select * from saved_tiles');
      await execute('insert into ledger_head select * from saved_head');
      await execute('insert into ledger_checkpoints select * from saved_checkpoints');
      await execute('drop table saved_tiles, saved_head, saved_checkpoints');
    }
    await put('c', '1');
    expect(await ledger.integrate()).toBe(1);
  });

  it('sets aside pending rows that were changed, and goes on with the others', async () => {
    await put('a', '1');
    await put('b', '1');
    await put('c', '1');
    await execute(
      `update ledger_outbox set resource = 'item/x' where seq = (select min(seq) from ledger_outbox)`,
    );
    await execute(
      `update ledger_outbox set body = 'no event' where seq = (select max(seq) from ledger_outbox)`,
    );

    await integrateAll();

    const report = await ledger.verify([demoTable]);
    expect(report).toMatchObject({ ok: false, treeSize: 1, pending: 2 });
    expect(report.findings.map((finding) => finding.code)).toContain('pending_refused');
  });

  it('needs the key and the name that the log was begun with', async () => {
    await put('a', '1');
    await integrateAll();
    await put('b', '1');

    for (const other of [newLedger({ signer: newSigner() }), newLedger({ origin: 'other.example/log' })]) {
      await expect(other.integrate()).rejects.toMatchObject({ kind: 'integrity' });
    }
    expect(await ledger.integrate()).toBe(1);
  });
});

describe('the last state of a resource', () => {
  it('may be that it is gone', async () => {
    await put('a', '1');
    await inTx(db, (tx) => removeItem(ledger, tx, 'a'));
    await integrateAll();

    expect(await ledger.verify([demoTable])).toMatchObject({ ok: true, resources: 0 });
    await execute(`insert into demo_items values ('a', '1', 1)`);
    expect((await ledger.verify([demoTable])).findings).toMatchObject([
      { code: 'state_unrecorded', where: 'item/a' },
    ]);
  });

  it('counts also while it is pending, and is reported when no table was given for it', async () => {
    await put('a', '1');
    await integrateAll();
    await put('a', '2');

    expect(await ledger.verify([demoTable])).toMatchObject({ ok: true, pending: 1, unchecked: [] });
    expect(await ledger.verify([])).toMatchObject({ ok: true, unchecked: ['item'] });
  });
});
