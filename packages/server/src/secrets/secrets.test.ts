import { inspect } from 'node:util';
import { Fault, SecretBytes } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Db } from '#platform';
import { person } from '../../test-support/fakes.ts';
import { onRecords } from '../../test-support/stored-records.ts';
import { createSecrets, type Secrets, secretsAudited, type WantedByHolder } from './index.ts';
import { openSecrets, type SecretsFixture, text } from './secrets.fixture.ts';

let open: SecretsFixture;
let secrets: Secrets;
const ann = person('ann');
const coded = (code: string) => expect.objectContaining({ code });

beforeAll(async () => {
  open = await openSecrets();
  ({ secrets } = open);
});
afterAll(() => open.close());

const at = (environment: string, path: string) => ({ project: 'shop', environment, path });
async function read(environment: string, path: string, version?: number): Promise<Record<string, string>> {
  const { data } = await secrets.get(ann, {
    ...at(environment, path),
    ...(version === undefined ? {} : { version }),
  });
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.exposeUtf8()]));
}
const step = 'step:run_1/1/e2e';
const deployment = 'deployment:shop/prod/orders/7';
const wanted = (more: Partial<WantedByHolder> = {}): WantedByHolder => ({
  holder: deployment,
  project: 'shop',
  environment: 'prod',
  wants: [{ name: 'DB', ref: 'orders/db#password', delivery: 'env' }],
  ...more,
});
async function grant(more: Partial<WantedByHolder> = {}): Promise<string> {
  const pinned = await secrets.pin(wanted(more));
  const expiresAt = new Date(open.clock.now().getTime() + 60_000);
  return await open.test.db.write((tx) => secrets.grant(tx, pinned, expiresAt));
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
    expect((await secrets.versions(ann, at('dev', 'v/one'))).map((each) => each.keys)).toEqual([
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

  it('leave no plaintext in the records, the audit or the ledger, and say who read them', async () => {
    await secrets.put(ann, { ...at('dev', 'v/plain'), data: { k: text('hunter2-plaintext') } });
    await read('dev', 'v/plain');

    const rows = await open.test.db.read((tx) =>
      sql<{
        all: string;
      }>`select string_agg(encode(packed, 'escape'), '') as all from journal_changes`.execute(tx),
    );
    expect(rows.rows[0]?.all?.length).toBeGreaterThan(100);
    expect(rows.rows[0]?.all).not.toContain('hunter2');
    const lines = await open.auditLines();
    expect(JSON.stringify([lines, open.audit.events])).not.toContain('hunter2');
    expect(lines.at(-1)).toMatchObject({
      type: 'response',
      auth: { display_name: 'ann', metadata: { actor_kind: 'person', actor_id: 'psn_ann' } },
      request: { operation: 'read', path: 'shop/dev/data/v/plain' },
    });
  });

  it('may be any bytes, and come back as they were', async () => {
    const values = {
      empty: new Uint8Array(),
      nul: Uint8Array.of(0, 1, 2),
      binary: Uint8Array.of(0xff, 0xfe, 0, 0x80),
      quotes: Buffer.from('"\\ \n \u2028 é 🔑'),
      marked: Buffer.from('sallyport:base64:AAAA'),
      large: new Uint8Array(65_536).fill(0xc3),
    };
    const data = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, SecretBytes.from(value)]),
    );
    await secrets.put(ann, { ...at('dev', 'v/bytes'), data });

    const found = await secrets.get(ann, at('dev', 'v/bytes'));
    for (const [key, value] of Object.entries(values))
      expect(Buffer.from(found.data[key]?.expose() ?? []).equals(value), key).toBe(true);
  });

  it('keep what a grant may still need: a hundred of them', async () => {
    for (let n = 1; n <= 101; n += 1)
      await secrets.put(ann, { ...at('dev', 'v/many'), data: { n: text(`${n}`) } });

    expect((await secrets.versions(ann, at('dev', 'v/many'))).map((each) => each.version)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 2),
    );
    expect(await read('dev', 'v/many', 2)).toEqual({ n: '2' });
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
    await open.test.db.write((tx) => secrets.endGrants(tx, deployment));
    await expect(secrets.redeem(id, deployment)).rejects.toThrow(closedGrant);

    const other = await grant();
    open.clock.advance(60_000);
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
    const { vault } = open.deps;
    const watching = {
      ...vault,
      secrets: {
        ...vault.secrets,
        read: async (...parts: Parameters<typeof vault.secrets.read>) => {
          const found = await vault.secrets.read(...parts);
          opened.push(...Object.values(found?.data ?? {}));
          return found;
        },
      },
    };
    const mute = createSecrets({
      ...open.deps,
      vault: watching,
      audit: { record: () => Promise.reject(new Fault('unavailable', 'ledger.down', 'down')) },
    });
    const failingCommit: Db = {
      ...open.test.db,
      write: async (work) => {
        await open.test.db.write(async (tx, after) => {
          await work(tx, after);
          throw new Fault('unavailable', 'platform.db_unavailable', 'the commit failed');
        });
        throw new Error('unreachable');
      },
    };
    const lost = createSecrets({ ...open.deps, vault: watching, db: failingCommit });

    await expect(mute.redeem(id, deployment)).rejects.toThrow(coded('ledger.down'));
    await expect(lost.redeem(id, deployment)).rejects.toThrow(coded('platform.db_unavailable'));

    expect(opened).toHaveLength(2);
    for (const secret of opened) expect(() => secret.expose()).toThrow(coded('formats.secret_wiped'));
  });

  it('give nothing when they end while they are redeemed', async () => {
    const id = await grant();
    const { vault } = open.deps;
    const ending = createSecrets({
      ...open.deps,
      vault: {
        ...vault,
        secrets: {
          ...vault.secrets,
          read: async (...parts: Parameters<typeof vault.secrets.read>) => {
            await open.test.db.write((tx) => secrets.endGrants(tx, deployment));
            return await vault.secrets.read(...parts);
          },
        },
      },
    });

    await expect(ending.redeem(id, deployment)).rejects.toThrow(coded('secrets.grant_closed'));
  });

  it('name who they are for in the audit of the values', async () => {
    await redeemed(await grant());

    expect((await open.auditLines()).at(-1)).toMatchObject({
      auth: { display_name: 'deployment:shop/prod/orders', metadata: { actor_id: deployment } },
      request: { operation: 'read', path: 'shop/prod/data/orders/db' },
    });
  });
});

describe('an audit that cannot be written', () => {
  it('keeps every value back, and every write', async () => {
    await secrets.put(ann, { ...at('dev', 'silent'), data: { k: text('v') } });
    // What changes records goes into the database, in one statement with its audit; what only reads, too, on replicas.
    await open.test.db.write((tx) =>
      sql`alter table journal_batches rename to journal_batches_away`.execute(tx),
    );
    try {
      const write = secrets.put(ann, { ...at('dev', 'silent'), data: { k: text('w') } });
      await expect(write).rejects.toThrow(expect.objectContaining({ kind: 'unavailable' }));
    } finally {
      await open.test.db.write((tx) =>
        sql`alter table journal_batches_away rename to journal_batches`.execute(tx),
      );
    }
    expect(await read('dev', 'silent')).toEqual({ k: 'v' });
  });
});

describe('an attacker with the database', () => {
  it('cannot read a secret of one environment through another, nor an old one as a new one', async () => {
    const own = await openSecrets();
    await own.secrets.put(ann, { ...at('vault', 'crown/jewels'), data: { k: text('crown') } });
    await own.secrets.put(ann, { ...at('dev', 'crown/jewels'), data: { k: text('glass') } });
    await own.secrets.put(ann, { ...at('dev', 'crown/jewels'), data: { k: text('newer') } });
    const rows = await own.test.db.write((tx) =>
      onRecords<{ scope: string; path: string }>(
        tx,
        `select scope, path from journal_records where path like '%/data/%/crown/jewels'`,
      ),
    );
    const pathOf = (scope: string, version: number): string =>
      rows.rows.find((row) => row.scope === scope && row.path.includes(`/data/${version}/`))?.path ?? '';
    const [prize, glass, newer] = [
      pathOf('env:shop/vault', 1),
      pathOf('env:shop/dev', 1),
      pathOf('env:shop/dev', 2),
    ];
    expect([prize, glass, newer]).not.toContain('');
    await own.test.db.write((tx) =>
      onRecords(
        tx,
        `update journal_records set sealed = other.sealed
        from (select sealed from journal_records where path = '${prize}') other where path = '${glass}'`,
      ),
    );
    await own.test.db.write((tx) =>
      onRecords(
        tx,
        `update journal_records set sealed = other.sealed
        from (select sealed from journal_records where path = '${glass}') other where path = '${newer}'`,
      ),
    );
    const { secrets: reader } = await own.reopen();
    for (const version of [1, 2])
      await expect(reader.get(ann, { ...at('dev', 'crown/jewels'), version })).rejects.toThrow(
        expect.objectContaining({ kind: 'integrity' }),
      );
    const { data } = await reader.get(ann, at('vault', 'crown/jewels'));
    expect(data['k']?.exposeUtf8()).toBe('crown');
    await own.close();
  });
});

describe('audited tables', () => {
  it('equal the last recorded state of every grant', async () => {
    const last = new Map<string, unknown>();
    for (const event of open.audit.events)
      if (event.state !== undefined) last.set(event.resource, event.state);

    for (const table of secretsAudited()) {
      const states = await open.test.db.read((tx) => table.states(tx));
      expect(states.length).toBeGreaterThan(2);
      for (const [resource, state] of states) {
        expect(state, resource).toEqual(last.get(resource));
      }
    }
  });
});
