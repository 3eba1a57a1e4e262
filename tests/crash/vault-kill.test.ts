import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OwnDatabase, ownDatabase } from '../support/database.ts';
import { createSeries } from '../support/random.ts';
import { openRecords } from '../support/records.ts';
import { startVaultServers, type VaultServers } from '../support/vault-servers.ts';

/**
 * The server is killed with SIGKILL under a load of writes, reads and logins, again and again. The clients keep a log of
 * their own of what they were answered; afterwards all of it must be true, and all of it audited.
 */
const rounds = Number(process.env['SALLYPORT_KILLS'] ?? 12);
/** Printed, so that a failure can be had again: `SALLYPORT_SEED=… npm run test:crash`. */
const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const clients = 8;

/** What clients were answered; nothing here was read from a server's files. */
interface ClientLog {
  readonly writes: Map<string, string>;
  readonly tokens: string[];
  /** `request_id` of every answer that carried a secret or a token. */
  readonly answered: Set<string>;
}

let database: OwnDatabase | undefined;
let vault: VaultServers;

beforeAll(async () => {
  database = await ownDatabase();
  vault = await startVaultServers(database === undefined ? {} : { databaseUrl: database.url });
}, 120_000);
afterAll(async () => {
  await vault?.close();
  await database?.drop();
});

describe(`SIGKILL under load, ${rounds} rounds, seed ${seed}`, () => {
  const log: ClientLog = { writes: new Map(), tokens: [], answered: new Set() };

  it('leaves every acknowledged write and token', async () => {
    const next = createSeries(seed);
    for (let round = 0; round < rounds; round += 1) {
      const stop = { now: false };
      const load = Array.from({ length: clients }, (_, client) => work(vault, round, client, stop, log));
      await sleep(100 + next() * 900);
      await vault.servers[0]?.kill();
      stop.now = true;
      await Promise.all(load);
      await vault.servers[0]?.start();
    }
    console.log(`${log.writes.size} writes, ${log.tokens.length} tokens, ${log.answered.size} answers`);
    expect(log.writes.size).toBeGreaterThan(rounds);

    for (const [path, value] of log.writes) {
      const { status, body } = await vault.request(0, 'GET', `secret/data/${path}`);
      const data = body?.['data'] as { data?: { value?: string } } | undefined;
      expect({ path, status, value: data?.data?.value }).toEqual({ path, status: 200, value });
    }
    for (const accessor of log.tokens) {
      const { status } = await vault.request(0, 'POST', 'auth/token/lookup-accessor', { body: { accessor } });
      expect({ accessor, status }).toEqual({ accessor, status: 200 });
    }
  }, 900_000);

  it('answered nothing that is not in the audit, and left no half of a token', async () => {
    await vault.servers[0]?.kill();
    const opened = await openRecords(join(vault.directory, 'data'), database?.url);
    try {
      const audited = new Set<string>();
      for await (const { line } of opened.journal.audit()) {
        const entry = JSON.parse(line.toString('utf8')) as { type: string; request: { id: string } };
        if (entry.type === 'response') audited.add(entry.request.id);
      }
      const missing = [...log.answered].filter((id) => !audited.has(id));
      expect(missing).toEqual([]);
      expect((await opened.journal.verifyAudit()).ok).toBe(true);

      const halves = opened.journal.peek((turn) => {
        const space = turn.space('system');
        const due = space
          .list('token/expire/')
          .flatMap((second) => [...space.list(`token/expire/${second}`)]);
        const entries = new Set(space.list('token/id/'));
        const endless = [...entries].filter((accessor) => !due.includes(accessor));
        return { withoutEntry: due.filter((accessor) => !entries.has(accessor)), endless };
      });
      expect(halves.withoutEntry).toEqual([]);
      // The root token of the dev server, and no other, has no end.
      expect(halves.endless).toHaveLength(1);
    } finally {
      await opened.close();
    }
  }, 120_000);
});

async function work(
  vault: VaultServers,
  round: number,
  client: number,
  stop: { now: boolean },
  log: ClientLog,
): Promise<void> {
  const written: string[] = [];
  for (let count = 0; !stop.now; count += 1) {
    const path = `${round}/${client}/${count}`;
    try {
      const value = `value of ${path}`;
      const write = await vault.request(0, 'POST', `secret/data/${path}`, { body: { data: { value } } });
      if (write.status === 200) {
        log.writes.set(path, value);
        written.push(path);
        note(log, write.body);
      }
      const read = await vault.request(0, 'GET', `secret/data/${written.at(-1) ?? path}`);
      if (read.status === 200) note(log, read.body);
      if (count % 4 === 0) {
        const made = await vault.request(0, 'POST', 'auth/token/create', {
          body: { policies: ['default'], ttl: '1h' },
        });
        if (made.status === 200) {
          note(log, made.body);
          const auth = made.body?.['auth'] as { accessor: string } | undefined;
          if (auth !== undefined) log.tokens.push(auth.accessor);
        }
      }
    } catch {
      // Killed in the middle: not acknowledged.
    }
  }
}

function note(log: ClientLog, body: Readonly<Record<string, unknown>> | undefined): void {
  log.answered.add(String(body?.['request_id']));
}
