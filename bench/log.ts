/**
 * Signed entries per second through Rekor's second API: each request's certificate and signature verified, the entry
 * durable, its place proven under a signed checkpoint. The clients are a thread of their own, with their requests signed
 * before. Target: 2,000/s, p99 under 1 s, on two cores.
 *
 *   node bench/log.ts                     durable PGlite
 *   DATABASE_URL=… node bench/log.ts      and PostgreSQL, in a database of its own
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { ledgerMigrations } from '../packages/server/src/ledger/index.ts';
import { openDatabase } from '../packages/server/src/platform/db/database.ts';
import type { Db } from '../packages/server/src/platform/ports.ts';
import { systemClock } from '../packages/server/src/platform/time/clock.ts';
import { signingMigrations } from '../packages/server/src/signing/migrations.ts';
import { artifactV2, newAuthority, newLog } from '../packages/server/src/signing/rekor/rekor.fixture.ts';
import { rekorRoutes } from '../packages/server/src/signing/rekor/routes.ts';
import { openTestDb } from '../packages/server/test-support/database.ts';
import { silentLog } from '../packages/server/test-support/fakes.ts';
import { openTestHttp } from '../packages/server/test-support/http.ts';

const entries = 4000;
const warmUp = 1000;
/** Requests in flight. */
const clients = 768;
const identities = 50;

interface Answered {
  readonly seconds: number;
  readonly milliseconds: readonly number[];
}

if (isMainThread) await serve();
else await ask(workerData as { url: string; bodies: string[] });

async function serve(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  const durable = await openDatabase({ kind: 'directory', directory: join(directory, 'db') }, silentLog);
  await durable.migrate([...ledgerMigrations, ...signingMigrations]);
  const rows = [await measure('PGlite, durable', durable)];
  await durable.close();
  await rm(directory, { recursive: true, force: true });
  if (process.env['DATABASE_URL'] !== undefined) {
    const server = await openTestDb([...ledgerMigrations, ...signingMigrations]);
    rows.push(await measure('PostgreSQL', server.db));
    await server.close();
  }
  console.table(rows);
}

async function measure(database: string, db: Db) {
  const authority = newAuthority();
  const people = Array.from({ length: identities }, (_, i) => authority.issue(`ci-${i}@example.com`));
  const { rekor, ledger } = newLog(db, systemClock, authority, { entriesPerSecond: 100_000 });
  const http = await openTestHttp({
    routes: [rekorRoutes(rekor, 'certificates')],
    config: { maxConnections: 4096 },
  });
  const bodies = Array.from({ length: warmUp + entries }, (_, i) => {
    const who = people[i % identities];
    if (who === undefined) throw new Error('nobody signs');
    return JSON.stringify(artifactV2(createHash('sha256').update(`${i}`).digest(), who));
  });
  const lag = monitorEventLoopDelay({ resolution: 5 });
  const worker = new Worker(new URL(import.meta.url), { workerData: { url: http.url, bodies } });
  const cpu = process.cpuUsage();
  lag.enable();
  const { seconds, milliseconds } = await new Promise<Answered>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const used = process.cpuUsage(cpu);
  const report = await ledger.verify([]);
  if (!report.ok || report.evidence !== warmUp + entries) throw new Error('the log does not hold them all');
  await http.close();
  const at = (part: number) => Math.round(milliseconds[Math.floor((milliseconds.length - 1) * part)] ?? 0);
  return {
    database,
    'entries/s': Math.round(entries / seconds),
    'p50 ms': at(0.5),
    'p99 ms': at(0.99),
    'event loop p99 ms': Math.round(lag.percentile(99) / 1e6),
    'CPU ms/entry, clients included': Number(
      ((used.user + used.system) / 1000 / (warmUp + entries)).toFixed(2),
    ),
  };
}

async function ask({ url, bodies }: { url: string; bodies: string[] }): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const post = (body: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const sent = request(`${url}/api/v2/log/entries`, { method: 'POST', agent, headers }, (response) => {
        response.resume();
        response.once('end', () =>
          response.statusCode === 201 ? resolve() : reject(new Error(`status ${response.statusCode}`)),
        );
      });
      sent.once('error', reject);
      sent.end(body);
    });
  const milliseconds: number[] = [];
  const run = async (from: number, to: number): Promise<void> => {
    let next = from;
    const client = async (): Promise<void> => {
      while (next < to) {
        const body = bodies[next] ?? '';
        next += 1;
        const started = performance.now();
        await post(body);
        milliseconds.push(performance.now() - started);
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
  };
  await run(0, warmUp);
  milliseconds.length = 0;
  const started = performance.now();
  await run(warmUp, bodies.length);
  const seconds = (performance.now() - started) / 1000;
  milliseconds.sort((a, b) => a - b);
  parentPort?.postMessage({ seconds, milliseconds } satisfies Answered);
  agent.destroy();
}
