import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OwnDatabase, ownDatabase } from '../support/database.ts';
import { contradictions, type Operation, type TokenUse, tokenContradictions } from '../support/history.ts';
import { createSeries } from '../support/random.ts';
import { startVaultServers, type VaultAnswer, type VaultServers } from '../support/vault-servers.ts';

const hasServer = (process.env['DATABASE_URL'] ?? '') !== '';
if (!hasServer) {
  console.warn(
    'SKIPPED: two replicas need a PostgreSQL; set DATABASE_URL to a role that may create databases',
  );
}

/** Printed, so that a failure can be had again: `SALLYPORT_SEED=… npm run test:replicas`. */
const seed = Number(process.env['SALLYPORT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const clients = 12;
const keys = 5;

describe.skipIf(!hasServer)(`two replicas of /v1, seed ${seed}`, () => {
  let database: OwnDatabase | undefined;
  let vault: VaultServers;

  beforeAll(async () => {
    database = await ownDatabase();
    vault = await startVaultServers({
      servers: 2,
      ...(database === undefined ? {} : { databaseUrl: database.url }),
    });
  }, 120_000);
  afterAll(async () => {
    await vault?.close();
    await database?.drop();
  });

  it.each([
    ['both up', false],
    ['one killed in the middle', true],
  ])('have one history of reads and writes with %s', async (name, kill) => {
    const history: Operation[] = [];
    const until = Date.now() + 15_000;
    const all = Array.from({ length: clients }, (_, client) =>
      readAndWrite(vault, client, `${kill}`, until, history),
    );
    if (kill) {
      await sleep(5000);
      await vault.servers[0]?.kill();
      await sleep(2000);
      await vault.servers[0]?.start();
    }
    await Promise.all(all);

    const answered = history.filter((operation) => operation.version !== undefined).length;
    console.log(`${name}: ${history.length} operations, ${answered} answered`);
    expect(answered).toBeGreaterThan(clients * 20);
    expect(contradictions(history)).toEqual([]);
  });

  it.each([
    ['both up', false],
    ['one killed in the middle', true],
  ])('let no token in after its revocation was answered, with %s', async (name, kill) => {
    const history: TokenUse[] = [];
    const until = Date.now() + 10_000;
    const all = Array.from({ length: 6 }, (_, client) => revokeWhileUsed(vault, client, until, history));
    if (kill) {
      await sleep(3000);
      await vault.servers[1]?.kill();
      await sleep(2000);
      await vault.servers[1]?.start();
    }
    await Promise.all(all);

    const revoked = history.filter((use) => use.kind === 'revoke' && use.ok).length;
    console.log(`${name}: ${history.length} uses, ${revoked} revocations`);
    expect(revoked).toBeGreaterThan(5);
    expect(tokenContradictions(history)).toEqual([]);
  });
});

async function readAndWrite(
  vault: VaultServers,
  client: number,
  scope: string,
  until: number,
  history: Operation[],
): Promise<void> {
  const next = createSeries(seed + client);
  for (let count = 0; Date.now() < until; count += 1) {
    const key = `history/${scope}/${Math.floor(next() * keys)}`;
    const server = Math.floor(next() * 2);
    const writes = next() < 0.4;
    const value = `${client}-${count}`;
    const began = performance.now();
    try {
      const { status, body } = await vault.request(server, writes ? 'POST' : 'GET', `secret/data/${key}`, {
        ...(writes ? { body: { data: { value } } } : {}),
      });
      const ended = performance.now();
      if (writes) {
        if (status === 200)
          history.push({
            client,
            key,
            kind: 'write',
            began,
            ended,
            value,
            version: versionOf(body?.['data']),
          });
        // Refused as a whole: nothing was written, but only a broken-off answer leaves that open.
        else if (status >= 500)
          history.push({ client, key, kind: 'write', began, ended: Number.POSITIVE_INFINITY, value });
      } else if (status === 200) {
        const data = body?.['data'] as { data: { value: string }; metadata: unknown };
        history.push({
          client,
          key,
          kind: 'read',
          began,
          ended,
          value: data.data.value,
          version: versionOf(data.metadata),
        });
      } else if (status === 404) history.push({ client, key, kind: 'read', began, ended, version: 0 });
    } catch {
      if (writes) history.push({ client, key, kind: 'write', began, ended: Number.POSITIVE_INFINITY, value });
      await sleep(20);
    }
  }
}

function authOf(answer: VaultAnswer): { readonly client_token: string; readonly accessor: string } {
  if (answer.status !== 200) throw new Error(`expected a token, got ${answer.status}`);
  // A token that was made is described in full.
  return answer.body?.['auth'] as never;
}

function versionOf(metadata: unknown): number {
  return Number((metadata as { version: number }).version);
}

/** Makes a token, uses it on both servers all the time, revokes it on one of them, and goes on using it for a while. */
async function revokeWhileUsed(
  vault: VaultServers,
  client: number,
  until: number,
  history: TokenUse[],
): Promise<void> {
  const next = createSeries(seed * 31 + client);
  while (Date.now() < until) {
    try {
      const made = await vault.request(Math.floor(next() * 2), 'POST', 'auth/token/create', {
        body: { policies: ['default'], ttl: '10m' },
      });
      const { client_token: token, accessor } = authOf(made);
      const ends = performance.now() + 600;
      const users = [0, 1].map(async (server) => {
        while (performance.now() < ends) await use(vault, server, token, accessor, history);
      });
      await sleep(100 + next() * 200);
      const began = performance.now();
      const ok = await vault
        .request(Math.floor(next() * 2), 'POST', 'auth/token/revoke-accessor', { body: { accessor } })
        .then(
          ({ status }) => status === 204,
          () => false,
        );
      history.push({ token: accessor, kind: 'revoke', began, ended: performance.now(), ok });
      await Promise.all(users);
    } catch {
      await sleep(50);
    }
  }
}

async function use(
  vault: VaultServers,
  server: number,
  token: string,
  name: string,
  history: TokenUse[],
): Promise<void> {
  const began = performance.now();
  try {
    const { status } = await vault.request(server, 'GET', 'auth/token/lookup-self', { token });
    if (status === 200 || status === 403)
      history.push({ token: name, kind: 'use', began, ended: performance.now(), ok: status === 200 });
  } catch {
    await sleep(20);
  }
}
