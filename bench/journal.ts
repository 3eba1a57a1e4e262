/**
 * The journal: decisions per second with callers that wait, what a record costs in memory, and how long loading takes.
 *
 *   node bench/journal.ts              durable PGlite, alone with its directory
 *   DATABASE_URL=… node bench/journal.ts   and PostgreSQL, as one of several replicas, in a database of its own
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createJournal, type Journal, journalMigrations } from '../packages/server/src/journal/index.ts';
import { createKeyring, fileSeal, keyringMigrations } from '../packages/server/src/keyring/index.ts';
import { openDatabase } from '../packages/server/src/platform/db/database.ts';
import type { Db } from '../packages/server/src/platform/ports.ts';
import { systemClock, systemRandom } from '../packages/server/src/platform/time/clock.ts';
import { openTestDb } from '../packages/server/test-support/database.ts';
import { countingIds, recordingAudit, silentLog } from '../packages/server/test-support/fakes.ts';

const seconds = Number(process.argv[2] ?? 3);
const records = Number(process.argv[3] ?? 200_000);
/** With what sealing adds, 250 bytes in the database and in memory. */
const valueBytes = 250 - 109;
const scope = 'system';
const migrations = [...keyringMigrations, ...journalMigrations];

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Twice and with time between: what closing lets go, goes in steps. */
async function memoryBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    collect();
    await sleep(100);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const line = Buffer.from(`${JSON.stringify({ type: 'response', padding: 'x'.repeat(900) })}\n`);
const pathOf = (n: number): string => `kv/app${n % 100}/secret${n}`;

async function perSecond(callers: number, run: (n: number) => Promise<unknown>): Promise<string> {
  let done = 0;
  const until = performance.now() + seconds * 1000;
  const latencies: number[] = [];
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      const begun = performance.now();
      done += 1;
      await run(done);
      latencies.push(performance.now() - begun);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  const rate = (latencies.length * 1000) / (performance.now() - started);
  latencies.sort((a, b) => a - b);
  const at = (share: number): string => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(1);
  return `${Math.round(rate)} (p50 ${at(0.5)} ms, p99 ${at(0.99)} ms)`;
}

const nothing = (journal: Journal) => () => journal.run(() => ({ answer: 1, audit: [line] }));
const read = (journal: Journal) => (n: number) =>
  journal.run((turn) => ({ answer: turn.space(scope).get(pathOf(n % 1000))?.length, audit: [line] }));
const write = (journal: Journal) => (n: number) =>
  journal.run((turn) => {
    turn.space(scope).put(pathOf(n % 1000), Buffer.alloc(valueBytes, 'v'));
    return { answer: 1, audit: [line] };
  });

async function measure(name: string, db: Db, alone: boolean): Promise<Record<string, string | number>> {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  const keyring = createKeyring({
    db,
    audit: recordingAudit(),
    clock: systemClock,
    ids: countingIds(),
    seal: fileSeal(join(directory, 'root.key'), systemRandom),
    log: silentLog,
    random: systemRandom,
  });
  await keyring.open();
  const open = async (): Promise<Journal> => {
    const journal = createJournal({
      db,
      audit: { record: async () => undefined },
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      cipher: (of) => keyring.cipher(of),
      sealedEvents: async () => ({ events: [] }),
      alone,
      directory: join(directory, 'data'),
    });
    await journal.open();
    return journal;
  };

  let journal = await open();
  await Promise.all(Array.from({ length: 1000 }, (_, n) => write(journal)(n)));
  const rates = {
    'reads/s, 32 callers': await perSecond(32, read(journal)),
    'reads/s, 128 callers': await perSecond(128, read(journal)),
    'empty decisions/s, 128': await perSecond(128, nothing(journal)),
    'writes/s, 32 callers': await perSecond(32, write(journal)),
    'writes/s, 128 callers': await perSecond(128, write(journal)),
  };
  for (let from = 0; from < records; from += 500) {
    await journal.run((turn) => {
      const space = turn.space(scope);
      for (let n = from; n < from + 500; n += 1) space.put(pathOf(n), Buffer.alloc(valueBytes, 'v'));
      return { answer: 1, audit: [] };
    });
  }
  await journal.close();

  const before = await memoryBytes();
  const started = performance.now();
  const used = process.cpuUsage();
  journal = await open();
  const milliseconds = performance.now() - started;
  const { user, system } = process.cpuUsage(used);
  const bytes = (await memoryBytes()) - before;
  const found = journal.status().records;
  if (found < records || journal.findings().length > 0)
    throw new Error(`the records did not come back on ${name}`);
  await journal.close();
  await keyring.close();
  await rm(directory, { recursive: true });
  return {
    database: name,
    ...rates,
    [`start with ${found} records`]: `${Math.round(milliseconds)} ms (processor ${Math.round((user + system) / 1000)} ms)`,
    'bytes a record': Math.round(bytes / found),
  };
}

function report(row: Record<string, string | number>): void {
  for (const [key, value] of Object.entries(row)) console.log(`${key.padEnd(32)} ${value}`);
  console.log('');
}

const place = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
const durable = await openDatabase({ kind: 'directory', directory: join(place, 'db') }, silentLog);
await durable.migrate(migrations);
report(await measure('PGlite, alone', durable, true));
await durable.close();
await rm(place, { recursive: true, force: true });

if (process.env['DATABASE_URL'] !== undefined) {
  const server = await openTestDb(migrations);
  report(await measure('PostgreSQL, as a replica', server.db, false));
  await server.close();
}
