import { Fault } from '@sallyport/formats';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { tablesOf } from './database.ts';

interface Tables {
  things: { id: number; body: Uint8Array | null; facts: unknown; at: Date | null; price: string | null };
}

const migrations = [
  {
    name: 'things/0001-things',
    sql: `CREATE TABLE things (id bigint PRIMARY KEY, body bytea, facts jsonb, at timestamptz, price numeric);
          CREATE INDEX things_at ON things (at);`,
  },
];

let test: TestDb;
beforeAll(async () => {
  test = await openTestDb(migrations);
});
afterAll(() => test.close());

const insert = (id: number) =>
  test.db.write((tx) =>
    tablesOf<Tables>(tx)
      .insertInto('things')
      .values({ id, body: null, facts: null, at: null, price: null })
      .execute(),
  );
const count = () =>
  test.db.read((tx) =>
    tablesOf<Tables>(tx)
      .selectFrom('things')
      .select((e) => e.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow(),
  );

describe('a statement that names itself', () => {
  it('is prepared once by the embedded engine, and answers and fails as any other', async () => {
    const half = (n: number) =>
      test.db.statement((tx) =>
        sql<{ half: number }>`/* prepared: test.half */ select 10 / ${n}::integer as half`.execute(tx),
      );

    expect((await half(2)).rows).toEqual([{ half: 5 }]);
    await expect(half(0)).rejects.toMatchObject({ code: 'platform.db_refused' });
    expect((await half(5)).rows).toEqual([{ half: 2 }]);

    const { rows } = await test.db.read((tx) =>
      sql`select name from pg_prepared_statements where name = 'test.half'`.execute(tx),
    );
    expect(rows).toHaveLength(test.db.engine === 'pglite' ? 1 : 0);
  });
});

describe('values', () => {
  it('come back as they went in, the same on both engines', async () => {
    const at = new Date('2026-03-04T05:06:07.089Z');
    const row = { id: 2 ** 52, body: Uint8Array.of(0, 255, 92), facts: { a: [1, 'x'] }, at, price: '0.10' };

    await test.db.write((tx) => tablesOf<Tables>(tx).insertInto('things').values(row).execute());
    const found = await test.db.read((tx) =>
      tablesOf<Tables>(tx)
        .selectFrom('things')
        .selectAll()
        .where('id', '=', row.id)
        .executeTakeFirstOrThrow(),
    );

    expect(found).toEqual(row);
    expect(found.body?.constructor).toBe(Uint8Array);
  });

  it('refuses a bigint that a number cannot hold, instead of rounding it', async () => {
    const read = test.db.read((tx) => sql`SELECT 9007199254740993::bigint AS n`.execute(tx));

    await expect(read).rejects.toMatchObject({ kind: 'integrity', code: 'platform.db_number' });
    await expect(test.db.read((tx) => sql`SELECT 1`.execute(tx))).resolves.toBeDefined();
  });
});

describe('write', () => {
  it('rolls back when the work throws, and passes a Fault through as it is', async () => {
    const before = await count();
    const fault = new Fault('denied', 'things.no', 'no');

    const write = test.db.write(async (tx) => {
      await tablesOf<Tables>(tx)
        .insertInto('things')
        .values({ id: 900, body: null, facts: null, at: null, price: null })
        .execute();
      throw fault;
    });

    await expect(write).rejects.toBe(fault);
    expect(await count()).toEqual(before);
  });

  it('runs afterCommit functions after a commit, once, and never after a rollback', async () => {
    const seen: string[] = [];

    await test.db.write(async (_tx, afterCommit) => {
      afterCommit(() => seen.push('committed'));
      expect(seen).toEqual([]);
    });
    await expect(
      test.db.write(async (_tx, afterCommit) => {
        afterCommit(() => seen.push('rolled back'));
        throw new Error('no');
      }),
    ).rejects.toThrow('no');

    expect(seen).toEqual(['committed']);
  });

  it('does not let a throwing afterCommit function look like a failed write', async () => {
    const write = test.db.write(async (_tx, afterCommit) => {
      afterCommit(() => {
        throw new Error('late');
      });
      return 7;
    });

    await expect(write).resolves.toBe(7);
  });

  it.each(['40001', '40P01'])('is retried with a fresh transaction on %s', async (state) => {
    let rounds = 0;
    const commits: number[] = [];

    await test.db.write(async (tx, afterCommit) => {
      rounds += 1;
      const round = rounds;
      afterCommit(() => commits.push(round));
      if (rounds < 3)
        await sql.raw(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '${state}'; END $$`).execute(tx);
    });

    expect(rounds).toBe(3);
    expect(commits).toEqual([3]);
  });

  it('gives up after some rounds as unavailable', async () => {
    const write = test.db.write((tx) =>
      sql.raw(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$`).execute(tx),
    );

    await expect(write).rejects.toMatchObject({ kind: 'unavailable', code: 'platform.db_contended' });
  });

  it('refuses a transaction inside a transaction, which would wait for itself', async () => {
    const nested = test.db.write(() => test.db.read(async () => 1));

    await expect(nested).rejects.toMatchObject({ kind: 'internal', code: 'platform.nested_transaction' });
  });

  it('lets what was started inside open its own transaction later', async () => {
    let later: Promise<unknown> = Promise.resolve();

    await test.db.write(async () => {
      later = new Promise((resolve) => setTimeout(resolve, 30)).then(() => test.db.read(async () => 1));
    });

    await expect(later).resolves.toBe(1);
  });

  it('keeps many writers apart', async () => {
    await insert(5000);

    await Promise.all(
      Array.from({ length: 20 }, () =>
        test.db.write(async (tx) => {
          const things = tablesOf<Tables>(tx);
          const row = await things
            .selectFrom('things')
            .select('price')
            .where('id', '=', 5000)
            .forUpdate()
            .executeTakeFirstOrThrow();
          await things
            .updateTable('things')
            .set({ price: String(Number(row.price ?? 0) + 1) })
            .where('id', '=', 5000)
            .execute();
        }),
      ),
    );

    const row = await test.db.read((tx) =>
      tablesOf<Tables>(tx)
        .selectFrom('things')
        .select('price')
        .where('id', '=', 5000)
        .executeTakeFirstOrThrow(),
    );
    expect(row.price).toBe('20');
  });
});

describe('read', () => {
  it('cannot write', async () => {
    const read = test.db.read((tx) => sql`DELETE FROM things`.execute(tx));

    await expect(read).rejects.toMatchObject({ kind: 'internal', details: { sqlState: '25006' } });
  });
});

describe('statement', () => {
  it('is durable by itself, and answers like any other', async () => {
    const added = await test.db.statement((tx) =>
      sql<{ id: number }>`INSERT INTO things (id) VALUES (6000) RETURNING id`.execute(tx),
    );

    expect(added.rows).toEqual([{ id: 6000 }]);
    await expect(
      test.db.statement((tx) => sql`INSERT INTO things (id) VALUES (6000)`.execute(tx)),
    ).rejects.toMatchObject({ kind: 'conflict' });
    const { rows } = await test.db.read((tx) => sql`SELECT id FROM things WHERE id = 6000`.execute(tx));
    expect(rows).toHaveLength(1);
  });

  it('is refused inside a transaction, which it would wait for', async () => {
    const nested = test.db.write(() => test.db.statement((tx) => sql`SELECT 1`.execute(tx)));

    await expect(nested).rejects.toMatchObject({ code: 'platform.nested_transaction' });
  });
});

describe('errors', () => {
  it('of a unique key are conflicts', async () => {
    await insert(1);

    await expect(insert(1)).rejects.toMatchObject({ kind: 'conflict', code: 'platform.db_conflict' });
  });

  it('of a missing row are not_found', async () => {
    const read = test.db.read((tx) =>
      tablesOf<Tables>(tx).selectFrom('things').selectAll().where('id', '=', -1).executeTakeFirstOrThrow(),
    );

    await expect(read).rejects.toMatchObject({ kind: 'not_found', code: 'platform.db_missing' });
  });

  it('of a wrong statement are internal and do not repeat it', async () => {
    const error = await test.db
      .read((tx) => sql`SELECT ${'s3cret'} FROM nowhere`.execute(tx))
      .catch((e: unknown) => e);

    expect(error).toMatchObject({ kind: 'internal', details: { sqlState: '42P01' } });
    expect(String(error)).not.toContain('s3cret');
  });

  it('leave the connection usable, also in a batch', async () => {
    for (let round = 0; round < 5; round += 1) {
      await expect(test.db.write((tx) => sql`SELECT ${'x'}::int`.execute(tx))).rejects.toBeInstanceOf(Fault);
      await expect(test.db.read((tx) => sql`SELECT ${round}::int AS n`.execute(tx))).resolves.toMatchObject({
        rows: [{ n: round }],
      });
    }
  });
});

describe('migrate', () => {
  it('applies each migration once, also from two callers at once', async () => {
    const more = [...migrations, { name: 'things/0002-more', sql: 'CREATE TABLE more (id int)' }];

    await Promise.all([test.db.migrate(more), test.db.migrate(more), test.db.migrate(more)]);

    const { rows } = await test.db.read((tx) =>
      sql`SELECT name FROM platform_migrations ORDER BY name`.execute(tx),
    );
    expect(rows).toEqual([{ name: 'things/0001-things' }, { name: 'things/0002-more' }]);
  });

  it('refuses an applied migration that was edited', async () => {
    const edited = [
      { name: 'things/0001-things', sql: 'SELECT 1' },
      { name: 'things/0002-more', sql: 'CREATE TABLE more (id int)' },
    ];

    await expect(test.db.migrate(edited)).rejects.toMatchObject({
      kind: 'integrity',
      code: 'platform.migration_changed',
    });
  });

  it('refuses a database that is ahead of the program', async () => {
    await expect(test.db.migrate(migrations)).rejects.toMatchObject({ code: 'platform.database_newer' });
  });

  it('leaves nothing of a migration that fails half way', async () => {
    const more = { name: 'things/0002-more', sql: 'CREATE TABLE more (id int)' };
    const broken = {
      name: 'things/0003-broken',
      sql: 'CREATE TABLE half (id int); CREATE TABLE half (id int);',
    };

    const migrate = test.db.migrate([...migrations, more, broken]);

    await expect(migrate).rejects.toMatchObject({
      code: 'platform.migration_failed',
      details: { migration: broken.name },
    });
    const { rows } = await test.db.read((tx) => sql`SELECT to_regclass('half')::text AS name`.execute(tx));
    expect(rows).toEqual([{ name: null }]);
  });
});
