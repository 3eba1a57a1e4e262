import { parseCheckpoint, toBase64, utf8, verifyCheckpoint } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Db } from '#platform';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { countingIds, fixedClock, inTx, silentLog } from '../../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../../test-support/http.ts';
import { newSigner } from '../demo.fixture.ts';
import { createLedger, type Ledger, ledgerMigrations } from '../index.ts';
import { witnessRoutes } from './routes.ts';
import { keyTypes, parseVerifierKey, verifierKeyOf } from './verifier-key.ts';
import { createWitness, type Witness } from './witness.ts';
import { createWitnessing, type Witnessing } from './witnessing.ts';

const logKey = newSigner();
const witnessKey = newSigner();
const clock = fixedClock();
const open: Array<{ close(): Promise<void> }> = [];
let test: TestDb;
let other: TestDb;
let ledger: Ledger;
let witness: Witness;
let http: TestHttp;

beforeAll(async () => {
  test = await openTestDb(ledgerMigrations);
  other = await openTestDb(ledgerMigrations);
});
afterAll(async () => {
  await test.close();
  await other.close();
});
beforeEach(async () => {
  for (const { db } of [test, other]) {
    await db.write(async (tx) => {
      await sql`truncate ledger_outbox, ledger_entries, ledger_tiles, ledger_checkpoints, ledger_witnessed,
        ledger_cosignatures`.execute(tx);
      await sql`update ledger_head set tree_size = 0`.execute(tx);
    });
  }
  ledger = ledgerOn(test.db);
  witness = witnessOn(other.db);
  http = await openTestHttp({ routes: [witnessRoutes(witness)] });
  open.push(http);
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

function ledgerOn(db: Db): Ledger {
  return createLedger({
    db,
    clock,
    ids: countingIds(),
    signer: logKey,
    origin: 'log.example',
    log: silentLog,
  });
}

function witnessOn(db: Db): Witness {
  return createWitness({
    db,
    clock,
    signer: witnessKey,
    name: 'witness.example/w1',
    logs: [verifierKeyOf('log.example', 'log', logKey.publicKeySpki)],
  });
}

function witnessing(of: Ledger, db: Db, quorum = 1, url = `${http.url}/witness`): Witnessing {
  return createWitnessing({
    db,
    clock,
    log: silentLog,
    fetch,
    ledger: of,
    witnesses: [{ key: parseVerifierKey(witness.verifierKey, 'witness'), url }],
    quorum,
  });
}

async function grow(to: Ledger, db: Db, ...bodies: string[]): Promise<void> {
  for (const body of bodies) {
    await inTx(db, (tx) => to.appendEvidence(tx, utf8(body)));
    await to.integrate();
  }
}

async function post(body: string) {
  const response = await fetch(`${http.url}/witness/add-checkpoint`, { method: 'POST', body });
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    text: await response.text(),
  };
}

describe('a log before its witness', () => {
  it('shows the newest checkpoint that the witness cosigned, and shows it with the cosignature', async () => {
    const asked = witnessing(ledger, test.db);
    await grow(ledger, test.db, 'a', 'b', 'c');
    await expect(asked.published()).rejects.toMatchObject({ code: 'ledger.no_quorum' });

    expect(await asked.advance()).toEqual({ 'witness.example/w1': 'cosigned' });
    expect(await asked.advance()).toEqual({ 'witness.example/w1': 'unchanged' });
    await grow(ledger, test.db, 'd', 'e');

    const note = parseCheckpoint(await asked.published());
    expect(note.treeSize).toBe(3);
    expect(note.signatures.map(({ name }) => name)).toEqual(['log.example', 'witness.example/w1']);
    verifyCheckpoint(await asked.published(), [{ name: 'log.example', publicKey: logKey.publicKeySpki }]);
    expect(await asked.advance()).toEqual({ 'witness.example/w1': 'cosigned' });
    expect(parseCheckpoint(await asked.published()).treeSize).toBe(5);
  });

  it('shows it without, where no quorum is asked for', async () => {
    const asked = witnessing(ledger, test.db, 0, 'http://127.0.0.1:9');
    await grow(ledger, test.db, 'a');

    expect(await asked.advance()).toEqual({ 'witness.example/w1': 'unreachable' });
    expect(parseCheckpoint(await asked.published()).signatures).toHaveLength(1);
  });

  it('goes on from the size that the witness names', async () => {
    await grow(ledger, test.db, 'a', 'b');
    await witnessing(ledger, test.db).advance();
    await grow(ledger, test.db, 'c', 'd', 'e');
    await test.db.write((tx) => sql`delete from ledger_cosignatures`.execute(tx));

    expect(await witnessing(ledger, test.db).advance()).toEqual({ 'witness.example/w1': 'cosigned' });
  });

  it('is caught when its database was set back and it signed another history', async () => {
    await grow(ledger, test.db, 'a', 'b', 'c', 'd');
    expect(await witnessing(ledger, test.db).advance()).toEqual({ 'witness.example/w1': 'cosigned' });
    // The same log, restored as it was after two entries, by a process that remembers nothing.
    const restored = await openTestDb(ledgerMigrations);
    open.push(restored);
    const forked = ledgerOn(restored.db);
    await grow(forked, restored.db, 'a', 'b', 'x');
    const before = await forked.checkpoint();

    // Shorter than what the witness saw, as long, and longer.
    expect(await witnessing(forked, restored.db).advance()).toEqual({ 'witness.example/w1': 'refused' });
    await grow(forked, restored.db, 'y');
    expect(await witnessing(forked, restored.db).advance()).toEqual({ 'witness.example/w1': 'refused' });
    await grow(forked, restored.db, 'z');
    expect(await witnessing(forked, restored.db).advance()).toEqual({ 'witness.example/w1': 'refused' });
    await expect(witnessing(forked, restored.db).published()).rejects.toMatchObject({
      code: 'ledger.no_quorum',
    });
    // Both were signed by the log: together they prove that it forked.
    const key = [{ name: 'log.example', publicKey: logKey.publicKeySpki }];
    expect(verifyCheckpoint(before, key).treeSize).toBe(3);
  });
});

describe('a witness', () => {
  it('has the new tree on disk before its cosignature leaves', async () => {
    await grow(ledger, test.db, 'a');
    const crash = new Error('the process stops here');
    const dying = (how: 'before' | 'after'): Db => ({
      ...other.db,
      write: async (work) => {
        if (how === 'after') await other.db.write(work);
        throw crash;
      },
    });
    const request = `old 0\n\n${await ledger.checkpoint()}`;

    await expect(witnessOn(dying('before')).addCheckpoint(request)).rejects.toBe(crash);
    expect(await witnessOn(other.db).addCheckpoint(request)).toMatchObject({ kind: 'cosigned' });
    await grow(ledger, test.db, 'b');
    const [hash = new Uint8Array()] = await ledger.consistencyProof(1, 2);
    const next = `old 1\n${toBase64(hash)}\n\n${await ledger.checkpoint()}`;
    await expect(witnessOn(dying('after')).addCheckpoint(next)).rejects.toBe(crash);
    expect(await witnessOn(other.db).addCheckpoint(next)).toEqual({ kind: 'conflict', treeSize: 2 });
    // The log asks again from there, and gets the cosignature that was lost.
    expect(await witnessOn(other.db).addCheckpoint(`old 2\n\n${await ledger.checkpoint()}`)).toMatchObject({
      kind: 'cosigned',
    });
  });

  it('lets one of two requests at once extend the tree', async () => {
    await grow(ledger, test.db, 'a');
    const one = await ledger.checkpoint();
    const answers = await Promise.all([1, 2, 3].map(() => post(`old 0\n\n${one}`)));

    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    expect(answers.find(({ status }) => status === 409)).toEqual({
      status: 409,
      type: 'text/x.tlog.size',
      text: '1\n',
    });
  });

  it('answers as the protocol says', async () => {
    await grow(ledger, test.db, 'a', 'b', 'c');
    const note = await ledger.checkpoint();
    const stranger = createLedger({
      db: other.db,
      clock,
      ids: countingIds(),
      signer: newSigner(),
      origin: 'other.example',
      log: silentLog,
    });
    const impostor = createLedger({
      db: other.db,
      clock,
      ids: countingIds(),
      signer: newSigner(),
      origin: 'log.example',
      log: silentLog,
    });

    expect((await post(`old 0\n\n${await stranger.checkpoint()}`)).status).toBe(404);
    expect((await post(`old 0\n\n${await impostor.checkpoint()}`)).status).toBe(403);
    expect((await post(`old 4\n\n${note}`)).status).toBe(400);
    expect(await post(`old 2\n\n${note}`)).toMatchObject({ status: 409, text: '0\n' });
    expect((await post(`old 0\n${toBase64(new Uint8Array(32))}\n\n${note}`)).status).toBe(422);
    expect((await post(`old 0\n\n${note}`)).status).toBe(200);
    await grow(ledger, test.db, 'd');
    expect(
      (await post(`old 3\n${toBase64(new Uint8Array(32))}\n\n${await ledger.checkpoint()}`)).status,
    ).toBe(422);
    expect((await post(`old 3\n\n${note}`)).status).toBe(200);
  });

  it('refuses what is no request', async () => {
    const hash = `${toBase64(new Uint8Array(32))}\n`;
    const bodies = [
      '',
      'old 0',
      'old 0\n\n',
      'old -1\n\nnote',
      'old 00\n\nnote',
      'old 9007199254740993\n\nnote',
      'new 0\n\nnote',
      'old 0\nAAAA\n\nnote',
      'old 0\n not base64\n\nnote',
      `old 0\n${hash.repeat(64)}\nnote`,
    ];
    for (const body of bodies) expect([body, (await post(body)).status]).toEqual([body, 400]);
  });

  it('tells its key, and reads keys of one type only', async () => {
    const text = (await (await fetch(`${http.url}/witness/key`)).text()).trim();

    expect(parseVerifierKey(text, 'witness')).toMatchObject({ name: 'witness.example/w1' });
    expect(() => parseVerifierKey(text, 'log')).toThrow();
    expect(() => parseVerifierKey(`${text}A`, 'witness')).toThrow();
    expect(() => parseVerifierKey(text.replace('w1', 'w2'), 'witness')).toThrow();
    expect(keyTypes).toEqual({ log: 1, witness: 4 });
  });
});
