import {
  decodeEntryBundle,
  Fault,
  fromBase64,
  leafHash,
  parseCheckpoint,
  utf8,
  verifyCheckpoint,
  verifyConsistency,
  verifyInclusion,
} from '@sallyport/formats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import { countingIds, fixedClock, inTx, person, silentLog } from '../../test-support/fakes.ts';
import { openTestHttp, type TestHttp } from '../../test-support/http.ts';
import { demoMigration, demoTable, newSigner, putItem } from './demo.fixture.ts';
import { createLedger, type Ledger, ledgerMigrations, ledgerRoutes } from './index.ts';

let test: TestDb;
let http: TestHttp;
let ledger: Ledger;
let firstHead: string;
const signer = newSigner();
const entryIds: string[] = [];

beforeAll(async () => {
  test = await openTestDb([...ledgerMigrations, demoMigration]);
  ledger = createLedger({
    db: test.db,
    clock: fixedClock(),
    ids: countingIds(),
    signer,
    origin: 'log.example/ledger',
    log: silentLog,
  });
  await inTx(test.db, async (tx) => {
    for (let i = 0; i < 5; i += 1) await putItem(ledger, tx, 'a', `${i}`);
  });
  await ledger.integrate();
  firstHead = await ledger.checkpoint();
  await inTx(test.db, async (tx) => {
    for (let i = 5; i < 260; i += 1) entryIds.push(await ledger.appendEvidence(tx, utf8(`evidence ${i}`)));
  });
  await ledger.integrate();
  http = await openTestHttp({
    routes: [ledgerRoutes(ledger, () => [demoTable])],
    actors: { auditor: person('auditor'), stranger: person('stranger') },
    authorize: async (actor, capability, path) => {
      if (actor.name !== 'auditor' || capability !== 'read' || path !== 'ledger') {
        throw new Fault('denied', 'identity.denied', 'no policy allows it');
      }
    },
  });
});
afterAll(async () => {
  await http.close();
  await test.close();
});

async function get(path: string, token?: string, method = 'GET') {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(http.url + path, { method, headers });
  return {
    status: response.status,
    headers: response.headers,
    bytes: new Uint8Array(await response.arrayBuffer()),
  };
}
// Answers of several shapes; each test names what it looks at.
const json = async (path: string) =>
  JSON.parse(Buffer.from((await get(path, 'auditor')).bytes).toString()) as never;

describe('tlog-tiles', () => {
  it('serves the checkpoint to anyone, and never from a cache', async () => {
    const answer = await get('/checkpoint');

    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    const head = verifyCheckpoint(Buffer.from(answer.bytes).toString(), [
      { name: 'log.example/ledger', publicKey: signer.publicKeySpki },
    ]);
    expect(head.treeSize).toBe(260);
  });

  it('serves tiles to anyone, cached for ever', async () => {
    const full = await get('/tile/0/000');
    const partial = await get('/tile/0/001.p/4');
    const old = await get('/tile/0/000.p/5');

    expect([full.status, full.bytes.length]).toEqual([200, 8192]);
    expect([partial.status, partial.bytes.length]).toEqual([200, 128]);
    expect(old.bytes).toEqual(full.bytes.slice(0, 160));
    for (const { headers } of [full, partial, old]) {
      expect(headers.get('content-type')).toBe('application/octet-stream');
      expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    }
    expect((await get('/tile/1/000.p/1')).bytes).toHaveLength(32);
  });

  it('serves entries to those who may read the ledger only', async () => {
    const answer = await get('/tile/entries/001.p/4', 'auditor');

    expect(decodeEntryBundle(answer.bytes)).toEqual([256, 257, 258, 259].map((i) => utf8(`evidence ${i}`)));
    expect(answer.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
    expect((await get('/tile/entries/000')).status).toBe(401);
    expect((await get('/tile/entries/000', 'stranger')).status).toBe(403);
    expect((await get('/tile//entries/000')).status).not.toBe(200);
    expect((await get('/tile/%65ntries/000')).status).not.toBe(200);
    expect((await get('/tile/x/../entries/000')).status).not.toBe(200);
  });

  it.each([
    '/tile/0/001',
    '/tile/0/001.p/5',
    '/tile/0/002.p/1',
    '/tile/0/000.p/256',
    '/tile/0/000.p/0',
    '/tile/0/0',
    '/tile/00/000',
    '/tile/64/000',
    '/tile/-1/000',
    '/tile/0/x000/000',
    '/tile/0/x999/x999/x999/x999/x999/999',
    '/tile/0/000.p/5/',
    '/tile/0/%2e%2e/000',
    '/tile/',
  ])('answers 404 for %s', async (path) => {
    expect((await get(path)).status).toBe(404);
  });
});

describe('the ledger API', () => {
  it('gives proofs that verify', async () => {
    const proof: {
      leafIndex: number;
      treeSize: number;
      rootHash: string;
      hashes: string[];
      checkpoint: string;
    } = await json(`/api/ledger/proofs/${entryIds[200]}`);

    verifyInclusion({
      ...proof,
      leafHash: leafHash(utf8('evidence 205')),
      hashes: proof.hashes.map(fromBase64),
      rootHash: fromBase64(proof.rootHash),
    });
    expect((await get(`/api/ledger/proofs/evd_${'0'.repeat(64)}`, 'auditor')).status).toBe(404);
    expect((await get('/api/ledger/proofs/nonsense', 'auditor')).status).toBe(404);
    expect((await get(`/api/ledger/proofs/${entryIds[0]}`)).status).toBe(401);
  });

  it('gives consistency proofs to anyone', async () => {
    const first = parseCheckpoint(firstHead);
    const second = parseCheckpoint(await ledger.checkpoint());
    const answer = await get(`/api/ledger/consistency?first=${first.treeSize}&second=${second.treeSize}`);
    const { hashes } = JSON.parse(Buffer.from(answer.bytes).toString()) as { hashes: string[] };

    verifyConsistency({
      firstSize: first.treeSize,
      firstRoot: first.rootHash,
      secondSize: second.treeSize,
      secondRoot: second.rootHash,
      hashes: hashes.map(fromBase64),
    });
    expect((await get('/api/ledger/consistency?first=5&second=999')).status).toBe(400);
    expect((await get('/api/ledger/consistency?first=-1&second=2')).status).toBe(400);
  });

  it('gives the events of a resource page by page', async () => {
    const page: { events: { leafIndex: number }[]; next: number } = await json(
      '/api/ledger/events?resource=item/a&limit=2',
    );
    const rest: { events: { leafIndex: number }[]; next?: number } = await json(
      `/api/ledger/events?resource=item/a&before=${page.next}`,
    );

    expect(page.events.map((event) => event.leafIndex)).toEqual([4, 3]);
    expect(rest.events.map((event) => event.leafIndex)).toEqual([2, 1, 0]);
    expect(rest.next).toBeUndefined();
    expect((await get('/api/ledger/events?resource=item/a&limit=501', 'auditor')).status).toBe(400);
    expect((await get('/api/ledger/events?resource=item/a', 'stranger')).status).toBe(403);
  });

  it('verifies with progress, the report last', async () => {
    const answer = await get('/api/ledger/verify', 'auditor', 'POST');
    const lines = Buffer.from(answer.bytes)
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { progress?: object; report?: object });

    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    expect(lines.at(-1)?.report).toMatchObject({ ok: true, treeSize: 260, events: 5, resources: 1 });
    expect(lines.slice(0, -1).every((line) => line.progress !== undefined)).toBe(true);
    expect((await get('/api/ledger/verify', 'stranger', 'POST')).status).toBe(403);
    expect((await get('/api/ledger/verify', 'auditor', 'POST')).status).toBe(200);
  });
});
