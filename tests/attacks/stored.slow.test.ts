import { cpSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Client, createClient } from '@sallyport/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../packages/server/src/platform/index.ts';
import { silentLog } from '../../packages/server/test-support/fakes.ts';
import { onRecords } from '../../packages/server/test-support/stored-records.ts';
import { cleanEnvironment, program, serverProgram } from '../support/program.ts';
import { startVaultServers, type VaultServers } from '../support/vault-servers.ts';

/** Whoever can write to the files of a server, or set its clock, while it stands still: seen by clients of /v1 afterwards. */

let vault: VaultServers;
/** Milliseconds by which the server's clock is wrong, read each time it looks at the clock. */
let clockFile: string;
beforeAll(async () => {
  vault = await startVaultServers({
    nodeFlags: (directory) => {
      clockFile = join(directory, 'clock');
      const module = join(directory, 'clock.mjs');
      writeFileSync(clockFile, '0');
      writeFileSync(module, wrongClock(clockFile));
      return ['--import', pathToFileURL(module).href];
    },
  });
}, 120_000);
afterAll(() => vault?.close());

/** A machine whose clock somebody sets: every `Date` of the process is off by what the file says. */
const wrongClock = (file: string): string => `import { readFileSync } from 'node:fs';
const True = Date;
const now = () => True.now() + Number(readFileSync(${JSON.stringify(file)}, 'utf8'));
globalThis.Date = class extends True {
  constructor(...parts) { super(...(parts.length === 0 ? [now()] : parts)); }
  static now() { return now(); }
};
`;
const setClock = (offMilliseconds: number): void => {
  // Renamed into place, so that the server never reads half a number.
  writeFileSync(`${clockFile}.new`, String(offMilliseconds));
  renameSync(`${clockFile}.new`, clockFile);
};
const hour = 3_600_000;

const server = () => {
  const [first] = vault.servers;
  if (first === undefined) throw new Error('expected a server');
  return first;
};
const database = () => join(vault.directory, 'data', 'database');

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
type Body = any;
async function ask(method: string, path: string, body?: unknown, token = vault.rootToken) {
  const answer = await vault.request(0, method, path, { token, ...(body === undefined ? {} : { body }) });
  return { status: answer.status, body: answer.body as Body };
}
const read = async (path: string, token?: string) => ask('GET', `secret/data/${path}`, undefined, token);
async function write(path: string, value: string): Promise<void> {
  expect((await ask('POST', `secret/data/${path}`, { data: { value } })).status).toBe(200);
}

/** Stops the server as a power cut would, lets somebody change its database, and starts it again. */
async function past(statement: string): Promise<number> {
  await server().stop();
  const db = await openDatabase({ kind: 'directory', directory: database() }, silentLog);
  const { numAffectedRows } = await db.write((tx) => onRecords(tx, statement));
  await db.close();
  await server().start();
  return Number(numAffectedRows ?? 0n);
}

/** What `sally audit verify` tells. */
async function findings(): Promise<readonly { readonly code: string; readonly where: string }[]> {
  admin ??= await firstAdministrator();
  const lines = await admin.transport.text('POST', '/api/audit/verify');
  return JSON.parse(lines.trim().split('\n').at(-1) ?? '').report.findings;
}

let admin: Client | undefined;
async function firstAdministrator(): Promise<Client> {
  const address = vault.addresses[0] ?? '';
  const { issued } = await createClient({ address }).transport.json<{ issued: { token: string } }>(
    'POST',
    '/api/identity/login',
    { body: { token: String(server().ready['bootstrapToken']), name: 'Ada', email: 'ada@example.com' } },
  );
  return createClient({ address, token: issued.token });
}

describe('a record of the database', () => {
  it('with a flipped bit is named, gives nothing, and everything else is served', async () => {
    for (const path of ['flip/a', 'flip/b', 'flip/c']) await write(path, `pearl of ${path}`);

    const changed = await past(
      `update journal_records set sealed = set_byte(sealed, length(sealed) - 20,
        get_byte(sealed, length(sealed) - 20) # 1) where path like '%/data/1/flip/b'`,
    );

    expect(changed).toBe(1);
    const damaged = await read('flip/b');
    expect(damaged.status).toBe(500);
    expect(JSON.stringify(damaged.body)).not.toContain('pearl');
    for (const path of ['flip/a', 'flip/c'])
      expect((await read(path)).body.data.data).toEqual({ value: `pearl of ${path}` });
    expect(server().log()).toMatch(/"code":"journal\.record_damaged","where":"[^"]*\/data\/1\/flip\/b"/);
    expect((await findings()).map(({ where }) => where)).toContainEqual(
      expect.stringMatching(/\/data\/1\/flip\/b$/),
    );
    // Written anew it is whole again: damage is no reason to be out of service.
    await write('flip/b', 'mended');
    expect((await read('flip/b')).body.data.data).toEqual({ value: 'mended' });
  }, 120_000);

  it('that changed places with another is named, both ways, and neither is read for the other', async () => {
    for (const path of ['swap/mine', 'swap/theirs', 'swap/other']) await write(path, `pearl of ${path}`);

    const changed = await past(
      `update journal_records r set sealed = o.sealed from journal_records o
        where r.scope = o.scope
        and ((r.path like '%/data/1/swap/mine' and o.path like '%/data/1/swap/theirs')
          or (r.path like '%/data/1/swap/theirs' and o.path like '%/data/1/swap/mine'))`,
    );

    expect(changed).toBe(2);
    for (const path of ['swap/mine', 'swap/theirs']) {
      const answer = await read(path);
      expect([path, answer.status]).toEqual([path, 500]);
      expect(JSON.stringify(answer.body)).not.toContain('pearl');
      expect(server().log()).toContain(`/data/1/${path}"`);
    }
    expect((await read('swap/other')).body.data.data).toEqual({ value: 'pearl of swap/other' });
  }, 120_000);
});

describe('the files of a server that runs', () => {
  it('are not opened by a second one, and the first goes on', async () => {
    await write('one/writer', 'first');
    const second = program(
      'second',
      serverProgram,
      join(vault.directory, 'second.log'),
      cleanEnvironment({ SALLYPORT_DEV_ROOT_TOKEN: vault.rootToken }),
      ['--dev', '--data-directory', join(vault.directory, 'data'), '--listen-port', '0'],
    );

    await expect(second.start()).rejects.toThrow(/ended with 1 before it was ready/);

    expect(second.log()).toContain('code: platform.directory_locked');
    await write('one/writer', 'second');
    expect((await read('one/writer')).body.data.data).toEqual({ value: 'second' });
  }, 120_000);
});

describe('a wrapping token', () => {
  it('is used up over a restart, and does not come back with it', async () => {
    const wrapped = async (): Promise<string> => {
      const answer = await fetch(`${vault.addresses[0]}/v1/sys/wrapping/wrap`, {
        method: 'POST',
        headers: { 'x-vault-token': vault.rootToken, 'x-vault-wrap-ttl': '1h' },
        body: JSON.stringify({ secret: 'pearl' }),
      });
      return ((await answer.json()) as Body).wrap_info.token;
    };
    const [used, fresh] = [await wrapped(), await wrapped()];
    const unwrap = (token: string) => ask('POST', 'sys/wrapping/unwrap', undefined, token);
    expect((await unwrap(used)).body.data).toEqual({ secret: 'pearl' });

    // As a power cut would: what was answered before it must hold after it.
    await server().kill();
    await server().start();

    for (const again of [1, 2]) expect([again, (await unwrap(used)).status]).toEqual([again, 400]);
    expect((await unwrap(fresh)).body.data).toEqual({ secret: 'pearl' });
    expect((await unwrap(fresh)).status).toBe(400);
  }, 120_000);
});

describe('the clock of the machine', () => {
  const token = async (ttl: string): Promise<string> =>
    (await ask('POST', 'auth/token/create', { ttl, policies: ['default'] })).body.auth.client_token;
  const alive = async (held: string): Promise<boolean> =>
    (await ask('GET', 'auth/token/lookup-self', undefined, held)).status === 200;

  it('set forward ends tokens, which set back does not bring to life, over a restart neither', async () => {
    const [short, long] = [await token('1h'), await token('20h')];
    expect([await alive(short), await alive(long)]).toEqual([true, true]);

    setClock(2 * hour);
    expect([await alive(short), await alive(long)]).toEqual([false, true]);
    setClock(0);
    expect([await alive(short), await alive(long)]).toEqual([false, true]);
    setClock(-48 * hour);
    expect([await alive(short), await alive(long)]).toEqual([false, true]);

    await server().stop();
    await server().start();
    expect([await alive(short), await alive(long)]).toEqual([false, true]);
    expect(server().log()).toContain('the clock of this machine is behind the stored time');
  }, 120_000);

  it('set back for good lengthens no token: time goes on at the pace of the machine', async () => {
    setClock(-48 * hour);
    const two = await token('2s');
    expect(await alive(two)).toBe(true);

    await expect.poll(() => alive(two), { timeout: 10_000, interval: 200 }).toBe(false);
    setClock(-96 * hour);
    expect(await alive(two)).toBe(false);
    setClock(0);
  }, 60_000);
});

describe('an older database that somebody puts back', () => {
  it('is refused at the start, also a second time, and taken only by its number', async () => {
    await write('kept/a', 'old');
    const revoked = (await ask('POST', 'auth/token/create', { policies: ['default'] })).body.auth
      .client_token;
    await server().stop();
    const older = join(vault.directory, 'older');
    cpSync(database(), older, { recursive: true });
    await server().start();
    await ask('POST', 'auth/token/revoke', { token: revoked });
    await write('kept/a', 'new');
    await server().stop();
    rmSync(database(), { recursive: true });
    cpSync(older, database(), { recursive: true });

    for (const attempt of [1, 2]) {
      await expect(server().start(), `attempt ${attempt}`).rejects.toThrow(/journal\.rolled_back/);
    }

    await expect(fetch(`${vault.addresses[0]}/v1/sys/health`)).rejects.toThrow();
    const state = /start once with --accept-restored-state (\d+)/.exec(server().log())?.[1] ?? '';
    const start = (accepted: string) =>
      program(
        'accepting',
        serverProgram,
        join(vault.directory, 'accepting.log'),
        cleanEnvironment({ SALLYPORT_DEV_ROOT_TOKEN: vault.rootToken }),
        [
          ...[
            '--dev',
            '--data-directory',
            join(vault.directory, 'data'),
            '--accept-restored-state',
            accepted,
          ],
          ...['--listen-port', new URL(vault.addresses[0] ?? '').port],
        ],
      );
    await expect(start(String(Number(state) + 1)).start()).rejects.toThrow(/journal\.rolled_back/);
    const accepting = start(state);
    await accepting.start();
    try {
      expect((await read('kept/a')).body.data.data).toEqual({ value: 'old' });
    } finally {
      await accepting.kill();
    }
  }, 180_000);
});
