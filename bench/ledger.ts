/**
 * Ledger throughput: appends (one durable transaction each), batched appends, integration, proofs, verification.
 *
 *   node bench/ledger.ts            in-memory PGlite and durable PGlite
 *   DATABASE_URL=… node bench/ledger.ts   and PostgreSQL, in a database of its own
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLedger, ledgerMigrations } from '../packages/server/src/ledger/index.ts';
import { openDatabase } from '../packages/server/src/platform/db/database.ts';
import type { Db } from '../packages/server/src/platform/ports.ts';
import { systemClock, systemRandom } from '../packages/server/src/platform/time/clock.ts';
import { createIds } from '../packages/server/src/platform/time/ids.ts';
import { openTestDb } from '../packages/server/test-support/database.ts';
import { silentLog } from '../packages/server/test-support/fakes.ts';

const appends = 1000;
const batched = 5000;
const writers = 8;

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const signer = {
  keyId: 'bench',
  publicKeySpki: Uint8Array.from(publicKey.export({ format: 'der', type: 'spki' })),
  sign: (bytes: Uint8Array) => Uint8Array.from(sign(null, bytes, privateKey)),
};

async function perSecond(count: number, work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return Math.round((count * 1000) / (performance.now() - started));
}

async function measure(name: string, db: Db): Promise<Record<string, string | number>> {
  const ids = createIds({ clock: systemClock, random: systemRandom });
  const ledger = createLedger({
    db,
    clock: systemClock,
    ids,
    signer,
    origin: 'bench.example',
    log: silentLog,
  });
  const evidenceBody = (i: number) => Buffer.from(JSON.stringify({ n: i, padding: 'x'.repeat(800) }));
  const event = (i: number) => ({
    type: 'bench.thing.changed',
    actor: { kind: 'system', id: 'system' } as const,
    resource: `thing/${i % 100}`,
    state: { i },
  });
  const drain = async (): Promise<void> => {
    while ((await ledger.integrate()) > 0);
  };
  const concurrently = (count: number, work: (i: number) => Promise<unknown>): Promise<unknown> => {
    let next = 0;
    const loop = async (): Promise<void> => {
      while (next < count) {
        next += 1;
        await work(next);
      }
    };
    return Promise.all(Array.from({ length: writers }, loop));
  };

  const single = await perSecond(appends, () =>
    concurrently(appends, (i) => db.write((tx) => ledger.record(tx, event(i)))),
  );
  await drain();
  await db.write(async (tx) => {
    for (let i = 0; i < batched; i += 1) await ledger.record(tx, event(i));
  });
  const integrated = await perSecond(batched, drain);
  const entryIds: string[] = [];
  const proved = await perSecond(appends, () =>
    concurrently(appends, async (i) => {
      const entryId = await db.write((tx) => ledger.appendEvidence(tx, evidenceBody(i)));
      entryIds.push(entryId);
      return ledger.proofFor(entryId);
    }),
  );
  const proofs = await perSecond(appends, () =>
    Promise.all(entryIds.map((entryId) => ledger.proofFor(entryId))),
  );
  let size = 0;
  const started = performance.now();
  const report = await ledger.verify([]);
  size = report.treeSize;
  if (!report.ok)
    throw new Error(`the log does not verify on ${name}: ${JSON.stringify(report.findings[0])}`);
  return {
    database: name,
    'appends/s': single,
    'integrated/s': integrated,
    'append+proof/s': proved,
    'proofs/s': proofs,
    'verified leaves/s': Math.round((size * 1000) / (performance.now() - started)),
  };
}

const rows: Record<string, string | number>[] = [];

const memory = await openDatabase({ kind: 'memory' }, silentLog);
await memory.migrate(ledgerMigrations);
rows.push(await measure('PGlite, memory', memory));
await memory.close();

const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
const durable = await openDatabase({ kind: 'directory', directory: join(directory, 'db') }, silentLog);
await durable.migrate(ledgerMigrations);
rows.push(await measure('PGlite, durable', durable));
await durable.close();
await rm(directory, { recursive: true, force: true });

if (process.env['DATABASE_URL'] !== undefined) {
  const server = await openTestDb(ledgerMigrations);
  rows.push(await measure('PostgreSQL', server.db));
  await server.close();
}

console.table(rows);
