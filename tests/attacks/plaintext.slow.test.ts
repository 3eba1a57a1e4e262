import { randomBytes } from 'node:crypto';
import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startVaultServers, type VaultServers } from '../support/vault-servers.ts';

/**
 * Invariant 6: plaintext lives in memory only, and for no longer than it is used. Every secret of a busy run is made of
 * 16 random characters, and these are looked for wherever bytes of the server end up.
 */
const secrets = new Set<string>();
const secret = (what: string): string => {
  const made = `${what}${randomBytes(12).toString('base64url').replace(/[-_]/g, 'x')}`;
  secrets.add(made);
  return made;
};

let vault: VaultServers;
const answers: string[] = [];

beforeAll(async () => {
  vault = await startVaultServers({
    flags: ['--log-level', 'debug'],
    nodeFlags: (directory) => ['--heapsnapshot-signal=SIGUSR2', `--diagnostic-dir=${directory}`],
  });
}, 120_000);
afterAll(() => vault?.close());

async function ask(method: string, path: string, body?: unknown, token?: string) {
  const answer = await vault.request(0, method, path, {
    ...(body === undefined ? {} : { body }),
    ...(token === undefined ? {} : { token }),
  });
  if (answer.status >= 400) answers.push(JSON.stringify(answer.body ?? ''));
  return answer;
}

async function beBusy(): Promise<void> {
  await ask('POST', 'sys/auth/approle', { type: 'approle' });
  await ask('POST', 'sys/mounts/transit', { type: 'transit' });
  await ask('POST', 'sys/mounts/kv1', { type: 'kv' });
  await ask('POST', 'auth/approle/role/app', { token_policies: 'default' });
  await ask('POST', 'transit/keys/k');
  for (let round = 0; round < 40; round += 1) {
    const value = secret('kv');
    await ask('POST', `secret/data/app/${round % 7}`, {
      data: { password: value, nested: { deep: [value, 1] } },
    });
    await ask('GET', `secret/data/app/${round % 7}`);
    await ask('PATCH', `secret/data/app/${round % 7}`, { data: { more: secret('patch') } });
    await ask('POST', `kv1/app/${round % 3}`, { password: secret('one') });
    await ask('GET', `kv1/app/${round % 3}`);
    await ask('POST', 'transit/encrypt/k', { plaintext: Buffer.from(secret('transit')).toString('base64') });
    const made = await ask('POST', 'auth/token/create', { policies: ['default'], ttl: '1h' });
    const auth = made.body?.['auth'] as { client_token: string } | undefined;
    if (auth !== undefined) {
      secrets.add(auth.client_token.slice(4));
      await ask('POST', 'cubbyhole/mine', { mine: secret('cubby') }, auth.client_token);
      await ask('GET', 'cubbyhole/mine', undefined, auth.client_token);
    }
    const id = await ask('POST', 'auth/approle/role/app/secret-id');
    const data = id.body?.['data'] as { secret_id: string } | undefined;
    if (data !== undefined) secrets.add(data.secret_id);
    // Refusals, with the secret where it does not belong.
    await ask('POST', `secret/data/app/${round}`, { data: secret('wrong') });
    await ask('POST', `secret/data/app/${round}`, {
      data: { a: secret('cas') },
      options: { cas: secret('number') },
    });
    await ask('POST', 'auth/approle/login', { role_id: secret('role'), secret_id: secret('id') });
    await ask('POST', 'auth/token/create', { ttl: secret('ttl'), id: secret('own') });
    await ask('GET', 'secret/data/app/1', undefined, secret('token'));
  }
}

async function found(file: string): Promise<readonly string[]> {
  const hits = new Set<string>();
  let tail = '';
  for await (const chunk of createReadStream(file, { encoding: 'latin1', highWaterMark: 4 * 1024 * 1024 })) {
    const text = tail + chunk;
    for (const each of secrets) if (text.includes(each)) hits.add(each.replace(/.{12}$/, '…'));
    tail = text.slice(-64);
  }
  return [...hits];
}

function filesBelow(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('after a busy run no plaintext', () => {
  beforeAll(beBusy, 300_000);

  it('is in an error answer', () => {
    expect(answers.length).toBeGreaterThan(100);
    const hits = [...secrets].filter((each) => answers.some((text) => text.includes(each)));
    expect(hits).toEqual([]);
  });

  it('is in the metrics', async () => {
    const { status, body } = await vault.request(0, 'GET', 'sys/metrics');
    expect(status).toBe(200);
    const text = JSON.stringify(body);
    expect([...secrets].filter((each) => text.includes(each))).toEqual([]);
  });

  it('is in a heap snapshot, after a collection', async () => {
    await sleep(1500);
    const pid = vault.servers[0]?.pid() ?? 0;
    process.kill(pid, 'SIGUSR2');
    const snapshot = await until(() =>
      filesBelow(vault.directory).find((file) => file.endsWith('.heapsnapshot')),
    );
    // Writing it takes seconds, and the server answers again when it is done.
    await vault.request(0, 'GET', 'sys/health', { timeoutMs: 120_000 });
    await sleep(500);

    expect(await found(snapshot)).toEqual([]);
  }, 180_000);

  it('is in the logs, the database, the journal or any other file', async () => {
    await vault.servers[0]?.stop();
    const files = filesBelow(vault.directory).filter((file) => !file.endsWith('.heapsnapshot'));
    expect(files.some((file) => file.includes('journal-'))).toBe(true);

    const hits = await Promise.all(
      files.map(async (file) => (await found(file)).map((hit) => `${hit} in ${file}`)),
    );

    expect(hits.flat()).toEqual([]);
  }, 180_000);
});

async function until<T>(look: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 300; tries += 1) {
    const seen = look();
    if (seen !== undefined) return seen;
    await sleep(200);
  }
  throw new Error('waited for a minute in vain');
}
