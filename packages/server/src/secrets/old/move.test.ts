import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { person } from '../../../test-support/fakes.ts';
import { scopeOf, valueAddress } from '../address.ts';
import { createSecrets } from '../index.ts';
import { openSecrets, type SecretsFixture, text } from '../secrets.fixture.ts';

let open: SecretsFixture;
const ann = person('ann');
beforeEach(async () => {
  open = await openSecrets();
});
afterEach(() => open.close());

const place = { project: 'shop', environment: 'prod', path: 'orders/db' };

/** As an installation of before has it. */
async function keepOld(versions: ReadonlyArray<Readonly<Record<string, string>>>, at = place): Promise<void> {
  const { project, environment, path } = at;
  await open.test.db.write(async (tx) => {
    await sql`insert into secrets_secrets values (${project}, ${environment}, ${path}, ${versions.length})`.execute(
      tx,
    );
    for (const [index, data] of versions.entries()) {
      const version = index + 1;
      const when = new Date(Date.UTC(2025, 0, version));
      await sql`insert into secrets_versions values (${project}, ${environment}, ${path}, ${version}, 'psn_old', ${when})`.execute(
        tx,
      );
      for (const [key, value] of Object.entries(data)) {
        const record = await open.keyring.encrypt(
          tx,
          scopeOf(at),
          valueAddress(at, key, version),
          text(value),
        );
        await sql`insert into secrets_values values (${`${path}${version}${key}`}, ${project}, ${environment}, ${path}, ${version}, ${key},
          ${record.keyVersion}, ${record.wrappedKey}, ${record.nonce}, ${record.ciphertext})`.execute(tx);
      }
    }
  });
}

async function hasTables(): Promise<boolean> {
  const { rows } = await open.test.db.read((tx) =>
    sql<{ there: boolean }>`select to_regclass('secrets_values') is not null as there`.execute(tx),
  );
  return rows[0]?.there === true;
}

async function oldRows(): Promise<number> {
  const { rows } = await open.test.db.read((tx) =>
    sql<{ n: number }>`select count(*)::int as n from secrets_values`.execute(tx),
  );
  return rows[0]?.n ?? -1;
}

async function read(secrets: SecretsFixture['secrets'], version?: number) {
  const { data } = await secrets.get(ann, { ...place, ...(version === undefined ? {} : { version }) });
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.exposeUtf8()]));
}

describe('values of before', () => {
  it('move with all their versions, times and writers, and their tables go', async () => {
    await keepOld([{ user: 'u', password: 'one' }, { password: 'two' }]);
    await keepOld([{ k: 'v' }], { ...place, environment: 'dev', path: 'other' });

    await open.secrets.open();

    expect(await read(open.secrets)).toEqual({ password: 'two' });
    expect(await read(open.secrets, 1)).toEqual({ user: 'u', password: 'one' });
    expect(await open.secrets.versions(ann, place)).toEqual([
      {
        version: 1,
        createdBy: 'psn_old',
        createdAt: new Date(Date.UTC(2025, 0, 1)),
        keys: ['password', 'user'],
      },
      { version: 2, createdBy: 'psn_old', createdAt: new Date(Date.UTC(2025, 0, 2)), keys: ['password'] },
    ]);
    expect(await open.secrets.put(ann, { ...place, data: { password: text('three') }, cas: 2 })).toEqual({
      version: 3,
    });
    expect(await hasTables()).toBe(false);
    expect(open.audit.events).toContainEqual(
      expect.objectContaining({
        type: 'secrets.secret.moved',
        resource: 'secret/shop/prod/orders/db',
        state: null,
      }),
    );
    await open.secrets.open();
    expect(await read(open.secrets)).toEqual({ password: 'three' });
  });

  it('that are more than a secret keeps all stay', async () => {
    await keepOld(Array.from({ length: 120 }, (_, index) => ({ n: `${index + 1}` })));

    await open.secrets.open();

    expect(await read(open.secrets, 1)).toEqual({ n: '1' });
    expect(await read(open.secrets)).toEqual({ n: '120' });
  });

  it('are written once, wherever the server was killed', async () => {
    await keepOld([{ password: 'one' }, { password: 'two' }]);
    const { vault } = open.deps;
    // After they were taken over, before their rows are gone.
    const killed = createSecrets({
      ...open.deps,
      vault: {
        ...vault,
        secrets: { ...vault.secrets, holds: () => Promise.reject(new Error('killed')) },
      },
    });
    await expect(killed.open()).rejects.toThrow('killed');
    expect(await oldRows()).toBe(2);

    const { secrets } = await open.reopen();
    await secrets.open();

    expect((await secrets.versions(ann, place)).map((each) => each.version)).toEqual([1, 2]);
    expect(await read(secrets)).toEqual({ password: 'two' });
    expect(await hasTables()).toBe(false);
  });

  it('stay where they are when they cannot be read back, and the others move', async () => {
    await keepOld([{ password: 'one' }]);
    await keepOld([{ k: 'v' }], { ...place, path: 'broken' });
    await open.test.db.write((tx) =>
      sql`update secrets_values set ciphertext = set_byte(ciphertext, 0, get_byte(ciphertext, 0) # 1) where path = 'broken'`.execute(
        tx,
      ),
    );

    await open.secrets.open();

    expect(await read(open.secrets)).toEqual({ password: 'one' });
    expect(await oldRows()).toBe(1);
    await expect(open.secrets.get(ann, { ...place, path: 'broken' })).rejects.toMatchObject({
      kind: 'not_found',
    });
  });

  it('never replace what somebody wrote at their place', async () => {
    await open.secrets.put(ann, { ...place, data: { password: text('new') } });
    await keepOld([{ password: 'old' }]);

    await open.secrets.open();

    expect(await read(open.secrets)).toEqual({ password: 'new' });
    expect(await oldRows()).toBe(1);
  });

  it('stay when the place of their mount is taken', async () => {
    const reserved = { ...place, project: 'sys' };
    await keepOld([{ password: 'old' }], reserved);

    await open.secrets.open();

    expect(await oldRows()).toBe(1);
    await expect(open.secrets.put(ann, { ...reserved, data: { k: text('v') } })).rejects.toMatchObject({
      code: 'vault.mount_taken',
    });
  });
});
