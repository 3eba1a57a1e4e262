import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Fault, SecretBytes } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeyring, fileSeal, type Keyring, keyringMigrations } from '#keyring';
import type { Db } from '#platform';
import { openTestDb, type TestDb } from '../../test-support/database.ts';
import {
  countingIds,
  fixedClock,
  person,
  recordingAudit,
  seededRandom,
  silentLog,
} from '../../test-support/fakes.ts';
import {
  createSecrets,
  type NewGrant,
  type Secrets,
  type SecretsDeps,
  secretsAudited,
  secretsMigrations,
} from './index.ts';

let test: TestDb;
let directory: string;
let keyring: Keyring;
let deps: SecretsDeps;
let secrets: Secrets;
const clock = fixedClock();
const audit = recordingAudit();
const ann = person('ann');
const coded = (code: string) => expect.objectContaining({ code });

beforeAll(async () => {
  test = await openTestDb([...keyringMigrations, ...secretsMigrations]);
  directory = await mkdtemp(join(tmpdir(), 'sallyport-secrets-'));
  const ids = countingIds();
  keyring = createKeyring({
    db: test.db,
    audit,
    clock,
    random: seededRandom(),
    ids,
    seal: fileSeal(join(directory, 'root.key'), seededRandom(2)),
    log: silentLog,
  });
  await keyring.open();
  deps = { db: test.db, audit, clock, ids, keyring };
  secrets = createSecrets(deps);
});
afterAll(async () => {
  await keyring.close();
  await test.close();
  await rm(directory, { recursive: true });
});

const at = (environment: string, path: string) => ({ project: 'shop', environment, path });
const text = (value: string): SecretBytes => SecretBytes.fromUtf8(value);
async function read(environment: string, path: string, version?: number): Promise<Record<string, string>> {
  const { data } = await secrets.get(ann, {
    ...at(environment, path),
    ...(version === undefined ? {} : { version }),
  });
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.exposeUtf8()]));
}
const step = 'step:run_1/1/e2e';
const deployment = 'deployment:shop/prod/orders/7';
function grant(more: Partial<NewGrant> = {}): Promise<string> {
  const wanted: NewGrant = {
    holder: deployment,
    project: 'shop',
    environment: 'prod',
    wants: [{ name: 'DB', ref: 'orders/db#password', delivery: 'env' }],
    expiresAt: new Date(clock.now().getTime() + 60_000),
    ...more,
  };
  return test.db.write((tx) => secrets.grant(tx, wanted));
}
async function redeemed(id: string, holder = deployment): Promise<string[]> {
  return (await secrets.redeem(id, holder)).map((each) => each.value.exposeUtf8());
}

describe('versions', () => {
  it('are added, never changed, and read back', async () => {
    await secrets.put(ann, { ...at('dev', 'v/one'), data: { a: text('1'), b: text('2') } });
    expect(await secrets.put(ann, { ...at('dev', 'v/one'), data: { a: text('3') } })).toEqual({ version: 2 });

    expect(await read('dev', 'v/one')).toEqual({ a: '3' });
    expect(await read('dev', 'v/one', 1)).toEqual({ a: '1', b: '2' });
    expect((await secrets.versions(at('dev', 'v/one'))).map((each) => each.keys)).toEqual([
      ['a', 'b'],
      ['a'],
    ]);
    await expect(read('dev', 'v/one', 3)).rejects.toThrow(coded('secrets.secret_unknown'));
    await expect(read('stage', 'v/one')).rejects.toThrow(coded('secrets.secret_unknown'));
  });

  it('written at once all count, and with cas only one does', async () => {
    const put = (n: number, cas?: number) =>
      secrets.put(ann, {
        ...at('dev', 'v/race'),
        data: { n: text(`${n}`) },
        ...(cas === undefined ? {} : { cas }),
      });

    const versions = (await Promise.all([1, 2, 3, 4].map((n) => put(n)))).map((each) => each.version);
    expect(versions.sort()).toEqual([1, 2, 3, 4]);
    const outcomes = await Promise.allSettled([5, 6, 7].map((n) => put(n, 4)));

    expect(outcomes.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
    await expect(put(8, 0)).rejects.toThrow(coded('secrets.version_conflict'));
  });

  it('are listed by prefix within their environment', async () => {
    for (const path of ['l/b', 'l/a', 'lx'])
      await secrets.put(ann, { ...at('stage', path), data: { k: text('v') } });
    await secrets.put(ann, { ...at('prod', 'l/c'), data: { k: text('v') } });

    expect(await secrets.list(ann, { project: 'shop', environment: 'stage', prefix: 'l/' })).toEqual([
      { path: 'l/a', version: 1 },
      { path: 'l/b', version: 1 },
    ]);
  });

  it('leave no plaintext in the database or the ledger', async () => {
    await secrets.put(ann, { ...at('dev', 'v/plain'), data: { k: text('hunter2-plaintext') } });
    await read('dev', 'v/plain');

    const rows = await test.db.read((tx) =>
      sql<{
        all: string;
      }>`select string_agg(encode(ciphertext || wrapped_key, 'escape'), '') as all from secrets_values`.execute(
        tx,
      ),
    );
    expect(rows.rows[0]?.all).not.toContain('hunter2');
    expect(JSON.stringify(audit.events)).not.toContain('hunter2');
    expect(audit.events.at(-1)).toMatchObject({
      type: 'secrets.secret.read',
      resource: 'secret/shop/dev/v/plain',
    });
  });

  it('have addresses that nothing can smuggle itself into', async () => {
    for (const path of [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '../prod/x',
      'a/../b',
      'a/./b',
      '.a',
      'a b',
      'a\0',
      'é',
      'a'.repeat(256),
    ])
      await expect(secrets.put(ann, { ...at('dev', path), data: { k: text('v') } }), path).rejects.toThrow(
        coded('secrets.address_invalid'),
      );
    for (const key of ['a/b', '', 'a b', 'x'.repeat(65)])
      await expect(secrets.put(ann, { ...at('dev', 'v/key'), data: { [key]: text('v') } })).rejects.toThrow(
        coded('secrets.address_invalid'),
      );
    for (const environment of ['Prod', 'dev/x', '', '*'])
      await expect(secrets.put(ann, { ...at(environment, 'v'), data: { k: text('v') } })).rejects.toThrow(
        coded('secrets.address_invalid'),
      );
    await expect(secrets.put(ann, { ...at('dev', 'v/none'), data: {} })).rejects.toThrow(
      coded('secrets.data_invalid'),
    );
  });
});

describe('grants', () => {
  beforeAll(async () => {
    await secrets.put(ann, { ...at('prod', 'orders/db'), data: { password: text('prod-password') } });
    await secrets.put(ann, { ...at('build', 'stripe/test'), data: { api_key: text('test-key') } });
  });

  it('hand over what was current when they were made, as often as the holder asks', async () => {
    const id = await grant();
    await secrets.put(ann, { ...at('prod', 'orders/db'), data: { password: text('newer') } });

    expect(await redeemed(id)).toEqual(['prod-password']);
    expect(await redeemed(id)).toEqual(['prod-password']);
    expect(await redeemed(await grant())).toEqual(['newer']);
    const [granted] = await secrets.redeem(id, deployment);
    expect(inspect(granted)).not.toContain('prod-password');
    expect(granted).toMatchObject({ name: 'DB', delivery: 'env', path: 'orders/db#password', version: 1 });
  });

  it('name every secret that is missing', async () => {
    await expect(
      grant({
        wants: [
          { name: 'A', ref: 'orders/db#password', delivery: 'env' },
          { name: 'B', ref: 'orders/db#user', delivery: 'env' },
          { name: 'C', ref: 'no/such#key', delivery: 'file' },
        ],
      }),
    ).rejects.toThrow(
      expect.objectContaining({
        kind: 'precondition',
        code: 'secrets.missing',
        details: { missing: ['orders/db#user', 'no/such#key'] },
      }),
    );
  });

  it('end, expire, and open for their own holder only', async () => {
    const closedGrant = coded('secrets.grant_closed');
    const id = await grant();
    await expect(secrets.redeem(id, 'deployment:shop/prod/orders/8')).rejects.toThrow(closedGrant);
    await expect(secrets.redeem('grt_unknown', deployment)).rejects.toThrow(closedGrant);
    await test.db.write((tx) => secrets.endGrants(tx, deployment));
    await expect(secrets.redeem(id, deployment)).rejects.toThrow(closedGrant);

    const other = await grant();
    clock.advance(60_000);
    await expect(secrets.redeem(other, deployment)).rejects.toThrow(closedGrant);
  });

  it('cannot be made out across environments', async () => {
    const crossed = coded('secrets.environment_crossed');
    const wants = [{ name: 'DB', ref: 'orders/db#password', delivery: 'env' as const }];

    await expect(grant({ holder: step, wants })).rejects.toThrow(crossed);
    await expect(grant({ holder: 'deployment:shop/dev/orders/1', wants })).rejects.toThrow(crossed);
    await expect(grant({ holder: 'deployment:other/prod/orders/1', wants })).rejects.toThrow(crossed);
    await expect(grant({ environment: 'build' })).rejects.toThrow(crossed);
    for (const holder of [
      '',
      'person:ann',
      'step:run_1/0/x',
      `${step}\n`,
      `${deployment}/x`,
      'deployment:shop/prod/../1',
    ])
      await expect(grant({ holder })).rejects.toThrow(coded('secrets.holder_invalid'));
    const id = await grant({
      holder: step,
      environment: 'build',
      wants: [{ name: 'KEY', ref: 'stripe/test#api_key', delivery: 'file' }],
    });
    expect(await redeemed(id, step)).toEqual(['test-key']);
  });

  it('refuse names that collide or are no variable', async () => {
    for (const names of [['A', 'A'], ['1A'], ['A=B'], ['A\n'], ['']])
      await expect(
        grant({
          wants: names.map((name) => ({ name, ref: 'orders/db#password', delivery: 'env' as const })),
        }),
      ).rejects.toThrow(coded('secrets.wants_invalid'));
  });

  it('give nothing when the record of it cannot be written, or not be made durable', async () => {
    const id = await grant();
    const opened: SecretBytes[] = [];
    const watching = {
      ...keyring,
      decrypt: async (...parts: Parameters<Keyring['decrypt']>) => {
        const secret = await keyring.decrypt(...parts);
        opened.push(secret);
        return secret;
      },
    };
    const mute = createSecrets({
      ...deps,
      keyring: watching,
      audit: { record: () => Promise.reject(new Fault('unavailable', 'ledger.down', 'down')) },
    });
    const failingCommit: Db = {
      ...test.db,
      write: async (work) => {
        await test.db.write(async (tx, after) => {
          await work(tx, after);
          throw new Fault('unavailable', 'platform.db_unavailable', 'the commit failed');
        });
        throw new Error('unreachable');
      },
    };
    const lost = createSecrets({ ...deps, keyring: watching, db: failingCommit });

    await expect(mute.redeem(id, deployment)).rejects.toThrow(coded('ledger.down'));
    await expect(mute.get(ann, at('prod', 'orders/db'))).rejects.toThrow(coded('ledger.down'));
    expect(opened).toHaveLength(0);
    await expect(lost.redeem(id, deployment)).rejects.toThrow(coded('platform.db_unavailable'));
    await expect(lost.get(ann, at('prod', 'orders/db'))).rejects.toThrow(coded('platform.db_unavailable'));

    expect(opened).toHaveLength(2);
    for (const secret of opened) expect(() => secret.expose()).toThrow(coded('formats.secret_wiped'));
  });
});

describe('an attacker with the database', () => {
  const move = (from: string, to: string) =>
    test.db.write(async (tx) => {
      await sql`insert into secrets_secrets select project, ${to}, path, current_version from secrets_secrets where environment = ${from} and path = 'crown/jewels' on conflict do nothing`.execute(
        tx,
      );
      await sql`insert into secrets_versions select project, ${to}, path, version, created_by, created_at from secrets_versions where environment = ${from} and path = 'crown/jewels' on conflict do nothing`.execute(
        tx,
      );
      await sql`update secrets_values set environment = ${to} where environment = ${from} and path = 'crown/jewels'`.execute(
        tx,
      );
    });

  it('cannot read a secret of one environment through another', async () => {
    await secrets.put(ann, { ...at('vault', 'crown/jewels'), data: { k: text('crown') } });
    await secrets.put(ann, { ...at('dev', 'other'), data: { k: text('v') } });
    expect(await read('vault', 'crown/jewels')).toEqual({ k: 'crown' });

    await move('vault', 'dev');
    await expect(read('dev', 'crown/jewels')).rejects.toThrow(expect.objectContaining({ kind: 'integrity' }));
    await move('dev', 'vault');

    expect(await read('vault', 'crown/jewels')).toEqual({ k: 'crown' });
  });

  it('cannot serve an old value as a new one, or one key as another', async () => {
    await secrets.put(ann, { ...at('dev', 'swap'), data: { a: text('old'), b: text('bee') } });
    await secrets.put(ann, { ...at('dev', 'swap'), data: { a: text('new'), b: text('bee') } });
    const swap = (toVersion: number, toKey: string) =>
      test.db.write((tx) =>
        sql`update secrets_values t set ciphertext = s.ciphertext, nonce = s.nonce, wrapped_key = s.wrapped_key
            from secrets_values s where s.path = 'swap' and s.version = 1 and s.key = 'a'
            and t.path = 'swap' and t.version = ${toVersion} and t.key = ${toKey}`.execute(tx),
      );

    await swap(2, 'a');
    await expect(read('dev', 'swap')).rejects.toThrow(expect.objectContaining({ kind: 'integrity' }));
    await swap(1, 'b');
    await expect(read('dev', 'swap', 1)).rejects.toThrow(expect.objectContaining({ kind: 'integrity' }));
  });
});

describe('rotation', () => {
  it('moves every value to the new key while it stays readable', async () => {
    for (let n = 0; n < 5; n++)
      await secrets.put(ann, {
        project: 'rot',
        environment: 'dev',
        path: `r/${n}`,
        data: { k: text(`${n}`) },
      });
    const { version } = await keyring.rotate('env:rot/dev', ann);

    while ((await keyring.rewrapSome()) > 0);

    const rows = await test.db.read((tx) =>
      sql<{
        key_version: number;
      }>`select distinct key_version from secrets_values where project = 'rot'`.execute(tx),
    );
    expect(rows.rows).toEqual([{ key_version: version }]);
    const { data } = await secrets.get(ann, { project: 'rot', environment: 'dev', path: 'r/3' });
    expect(data['k']?.exposeUtf8()).toBe('3');
  });
});

describe('audited tables', () => {
  it('equal the last recorded state of every secret and grant', async () => {
    const last = new Map<string, unknown>();
    for (const event of audit.events) if (event.state !== undefined) last.set(event.resource, event.state);

    for (const table of secretsAudited()) {
      const states = await test.db.read((tx) => table.states(tx));
      expect(states.length).toBeGreaterThan(2);
      for (const [resource, state] of states) {
        // The attack above moved this one behind the ledger's back, which is what the comparison is for.
        if (resource.endsWith('/crown/jewels') && !last.has(resource)) continue;
        expect(state, resource).toEqual(last.get(resource));
      }
    }
  });
});
