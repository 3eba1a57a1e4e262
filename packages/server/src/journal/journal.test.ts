import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get, increment, line, openWorld, put, remove, type World } from './journal.fixture.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

describe('a journal', () => {
  it('answers from what was written, also after a restart', async () => {
    const journal = await world.open();
    await put(journal, 'a/b', 'one');
    await put(journal, 'a/c', 'two');
    await remove(journal, 'a/c');
    const big = 'x'.repeat(100_000);
    await put(journal, 'a/big', big);
    await journal.close();

    const again = await world.open();

    expect(await get(again, 'a/b')).toBe('one');
    expect(await get(again, 'a/c')).toBeUndefined();
    expect(await get(again, 'a/big')).toBe(big);
    expect(again.peek((turn) => turn.space('system').list('a/'))).toEqual(['b', 'big']);
    expect(again.status()).toEqual({ epoch: 4, records: 2 });
    expect(again.findings()).toEqual([]);
  });

  it('refuses everything before it is open and after it is closed', async () => {
    const journal = await world.open();
    await journal.close();

    const closed = { code: 'journal.closed' };
    await expect(get(journal, 'a')).rejects.toMatchObject(closed);
    await expect(journal.archive()).rejects.toMatchObject(closed);
    await expect(journal.openScope('system')).rejects.toMatchObject(closed);
    expect(() => journal.peek(() => 1)).toThrow(expect.objectContaining(closed));
    await journal.close();
  });

  it('finishes what it took before it closes', async () => {
    const journal = await world.open();
    const all = Array.from({ length: 300 }, () => increment(journal, 'n'));

    await journal.close();

    expect((await Promise.all(all)).at(-1)).toBe(300);
    expect(await get(await world.open(), 'n')).toBe('300');
  });

  it('looks without leaving a trace', async () => {
    const journal = await world.open();
    await put(journal, 'a', 'one');

    journal.peek((turn) => {
      turn.space('system').put('a', Buffer.from('two'));
      turn.space('system').put('b', Buffer.from('three'));
    });

    expect(await get(journal, 'a')).toBe('one');
    expect(await get(journal, 'b')).toBeUndefined();
    expect(() => journal.peek((turn) => turn.space('env:shop/prod'))).toThrow('not open');
    await journal.openScope('env:shop/prod');
    expect(journal.peek((turn) => turn.space('env:shop/prod').has('a'))).toBe(false);
  });

  it('writes audit lines of reads to the file and of changes to the table, and no plaintext anywhere', async () => {
    const journal = await world.open();
    await put(journal, 'a', 'plain text of a secret');
    await get(journal, 'a');
    await get(journal, 'b');

    const [{ count } = { count: 0 }] = await world.rows<{ count: number }>(
      'select count(*)::integer as count from journal_batches',
    );
    const names = await readdir(join(world.directory, 'journal'));
    const bytes = await readFile(join(world.directory, 'journal', names[0] ?? ''));
    const stored = await world.rows<{ sealed: Uint8Array }>('select sealed from journal_records');

    expect(count).toBe(1);
    expect(bytes.includes('get a')).toBe(true);
    expect(bytes.includes('plain text')).toBe(false);
    expect(Buffer.from(stored[0]?.sealed ?? []).includes('plain text')).toBe(false);
  });
});

describe('what somebody changed past the server', () => {
  async function written(): Promise<void> {
    const journal = await world.open();
    for (const path of ['a', 'b', 'c']) await put(journal, path, `first ${path}`);
    await world.tamper('create table kept as select * from journal_records');
    for (const path of ['a', 'b', 'c']) await put(journal, path, `second ${path}`);
    await journal.close();
  }
  beforeEach(() => world.tamper('drop table if exists kept'));

  const recordsDiffer = expect.objectContaining({ code: 'journal.records_differ' });

  it.each([
    [
      'is put back to an older version',
      `update journal_records r set sealed = k.sealed from kept k where r.path = 'b' and k.path = 'b'`,
    ],
    ['is removed', `delete from journal_records where path = 'b'`],
    ['is marked as gone', `update journal_records set sealed = null where path = 'b'`],
    ['loses its mark', 'update journal_moment set mark = null'],
    ['gets another time', 'update journal_moment set clock = clock - 86400000'],
    ['gets a mark of nothing', `update journal_moment set mark = ''`],
  ])(
    'is found at the start when a record %s, stays found, and everything is served',
    async (_, statement) => {
      await written();
      await world.tamper(statement);

      const journal = await world.open();
      expect(journal.findings()).toEqual([recordsDiffer]);
      expect(await get(journal, 'a')).toBe('second a');
      await put(journal, 'a', 'third a');
      await journal.archive();
      await journal.close();
      const again = await world.open();

      expect(again.findings()).toEqual([recordsDiffer]);
      expect(await get(again, 'a')).toBe('third a');
      const events = await world.rows<{ type: string }>(`select event->>'type' as type from test_events`);
      expect(events.map(({ type }) => type)).toContain('journal.difference.found');
    },
  );

  /** On the tables as they are. */
  const raw = (statement: string) =>
    world.db.write((tx) => sql.raw<{ readonly size?: number }>(statement).execute(tx));

  it('is found wherever a stored byte differs, also one that says how long a record is, and the rest is served', async () => {
    await written();
    const change = 'epoch = (select max(epoch) - 1 from journal_changes)';
    const flip = (at: number) =>
      raw(
        `update journal_changes set packed = set_byte(packed, ${at}, get_byte(packed, ${at}) # 64) where ${change}`,
      );
    const { rows } = await raw(`select octet_length(packed) as size from journal_changes where ${change}`);
    const sizeBytes = rows[0]?.size ?? 0;
    expect(sizeBytes).toBeGreaterThan(100);

    for (let at = 0; at < sizeBytes; at += at < 32 ? 1 : 9) {
      await flip(at);
      const journal = await world.open();

      expect(journal.findings()).toContainEqual(recordsDiffer);
      expect([await get(journal, 'a'), await get(journal, 'c')]).toEqual(['second a', 'second c']);
      expect(await get(journal, 'b').catch((error: unknown) => error)).not.toBe('second b');
      await journal.close();
      await flip(at);
    }
    expect((await world.open()).findings()).toEqual([]);
  }, 60_000);

  it('is no finding any more once an operator accepted it, which is recorded', async () => {
    await written();
    await world.tamper(`delete from journal_records where path = 'b'`);
    const journal = await world.open();

    await journal.acceptRecords({ kind: 'person', id: 'psn_a' });

    expect(journal.findings()).toEqual([]);
    await put(journal, 'd', 'new');
    await journal.close();
    expect((await world.open()).findings()).toEqual([]);
    const events = await world.rows<{ type: string }>(`select event->>'type' as type from test_events`);
    expect(events.map(({ type }) => type)).toContain('journal.records.accepted');
  });

  it('is named when a record is damaged, and everything else is served', async () => {
    await written();
    await world.tamper(
      `update journal_records set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where path = 'b'`,
    );
    const journal = await world.open();

    await expect(get(journal, 'b')).rejects.toMatchObject({
      kind: 'integrity',
      code: 'journal.record_damaged',
      details: { scope: 'system', path: 'b' },
    });
    expect(await Promise.all(['a', 'c'].map((path) => get(journal, path)))).toEqual(['second a', 'second c']);
    expect(journal.findings().map(({ code }) => code)).toEqual([
      'journal.records_differ',
      'journal.record_damaged',
    ]);
    await journal.run((turn) => {
      turn.space('system').put('b', Buffer.from('mended'));
      return { answer: undefined, audit: [] };
    });
    expect(await get(journal, 'b')).toBe('mended');
  });

  it('is found when two records are swapped: each opens at its own path only', async () => {
    await written();
    await world.tamper(`update journal_records r set sealed = o.sealed from journal_records o
      where (r.path = 'a' and o.path = 'b') or (r.path = 'b' and o.path = 'a')`);
    const journal = await world.open();

    await expect(get(journal, 'a')).rejects.toMatchObject({ details: { path: 'a' } });
    await expect(get(journal, 'b')).rejects.toMatchObject({ details: { path: 'b' } });
    expect(await get(journal, 'c')).toBe('second c');
  });

  it('does not keep a batch busy when a record claims a key that nobody has', async () => {
    await written();
    await world.tamper(`update journal_records set sealed = set_byte(sealed, 2, 9) where path = 'b'`);
    const journal = await world.open();

    const [damaged, fine] = await Promise.allSettled([get(journal, 'b'), get(journal, 'a')]);

    expect(damaged).toMatchObject({ status: 'rejected', reason: { code: 'journal.record_damaged' } });
    expect(fine).toMatchObject({ status: 'fulfilled', value: 'second a' });
  });

  it('is refused when the key of the hash was removed, which would make a new one', async () => {
    await written();
    await world.tamper('update journal_moment set state_key = null');

    await expect(world.open()).rejects.toMatchObject({ kind: 'integrity', code: 'journal.state_key' });
  });
});

describe('the anchor', () => {
  async function restored(): Promise<void> {
    const journal = await world.open();
    await put(journal, 'token', 'valid');
    await world.tamper(`drop table if exists kept_records, kept_moment;
      create table kept_records as select * from journal_records;
      create table kept_moment as select * from journal_moment`);
    await remove(journal, 'token');
    await journal.archive();
    await journal.close();
    await world.tamper(`truncate journal_records; insert into journal_records select * from kept_records;
      delete from journal_moment; insert into journal_moment select * from kept_moment`);
  }

  it('refuses an older database, and takes it only by its name, once', async () => {
    await restored();

    const refused = { kind: 'integrity', code: 'journal.rolled_back' };
    await expect(world.open()).rejects.toMatchObject(refused);
    await expect(world.open({ acceptRestoredState: 2 })).rejects.toMatchObject(refused);
    const journal = await world.open({ acceptRestoredState: 1 });

    expect(await get(journal, 'token')).toBe('valid');
    expect(journal.findings()).toEqual([]);
    const events = await world.rows<{ event: unknown }>(
      `select event from test_events where event->>'type' like '%restore%'`,
    );
    expect(events).toMatchObject([{ event: { detail: { seen: 2, found: 1 } } }]);
    await journal.close();
    expect((await world.open()).status()).toEqual({ epoch: 1, records: 1 });
  });

  it('is not needed for a first start, and refuses one that is damaged', async () => {
    const journal = await world.open();
    await put(journal, 'a', 'b');
    await journal.close();
    const path = join(world.directory, 'anchor.json');
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ epoch: 1 });

    for (const text of ['', '{', '[]', '{"epoch":1}', '{"epoch":-1,"clock":1}', '{"epoch":"1","clock":1}']) {
      await writeFile(path, text);
      await expect(world.open()).rejects.toMatchObject({ code: 'journal.anchor_damaged' });
    }
  });

  it('refuses a database that was put back while the server runs', async () => {
    const journal = await world.open({ alone: false });
    await put(journal, 'a', 'one');
    await world.tamper(
      `drop table if exists kept_moment; create table kept_moment as select * from journal_moment`,
    );
    await put(journal, 'a', 'two');
    await world.tamper('delete from journal_moment; insert into journal_moment select * from kept_moment');

    await expect(get(journal, 'a')).rejects.toMatchObject({ code: 'journal.rolled_back' });
    await expect(put(journal, 'a', 'three')).rejects.toMatchObject({ code: 'journal.rolled_back' });
  });
});

describe('keys that were rotated', () => {
  const admin = { kind: 'person', id: 'psn_admin' } as const;

  it('are followed by records of another replica, which are not taken for damaged', async () => {
    const journal = await world.open({ alone: false });
    await put(journal, 'a', 'old');
    await world.keyring.rotate('system', admin);
    const { createKeyring, fileSeal } = await import('#keyring');
    const { systemRandom } = await import('#platform');
    const { countingIds, recordingAudit, silentLog } = await import('../../test-support/fakes.ts');
    const keyring = createKeyring({
      db: world.db,
      audit: recordingAudit(),
      clock: world.clock,
      ids: countingIds(),
      seal: fileSeal(join(world.directory, '..', 'root.key'), systemRandom),
      log: silentLog,
      random: systemRandom,
    });
    await keyring.open();
    const other = await world.open({ alone: false, cipher: (scope) => keyring.cipher(scope) });
    await put(other, 'a', 'new');

    expect(await get(journal, 'a')).toBe('new');
    await other.close();
    await keyring.close();
  });

  it('leave no record behind after rewrapping, in parts, while others write', async () => {
    const journal = await world.open();
    await Promise.all(Array.from({ length: 700 }, (_, n) => put(journal, `r/${n}`, `value ${n}`)));
    await world.tamper(`update journal_records set sealed = sealed`);
    await world.keyring.rotate('system', admin);

    const counts: number[] = [];
    for (let moved = -1; moved !== 0; ) {
      const [count] = await Promise.all([journal.rewrapSome('system', 300), put(journal, 'r/5', 'written')]);
      moved = count;
      counts.push(moved);
    }

    expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(698);
    await journal.close();
    const [{ old } = { old: -1 }] = await world.rows<{ old: number }>(
      `select count(*)::integer as old from journal_records where get_byte(sealed, 4) <
        (select max(version) from keyring_keks where scope = 'system')`,
    );
    expect(old).toBe(0);
    const again = await world.open();
    expect(await get(again, 'r/699')).toBe('value 699');
    expect(again.findings()).toEqual([]);
  });

  it('pass over a damaged record, which is a finding', async () => {
    const journal = await world.open();
    await put(journal, 'a', 'one');
    await put(journal, 'b', 'two');
    await journal.close();
    await world.tamper(
      `update journal_records set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1) where path = 'a'`,
    );
    await world.keyring.rotate('system', admin);
    const again = await world.open();

    expect(await again.rewrapSome('system', 1)).toBe(1);
    expect(await again.rewrapSome('system', 1)).toBe(0);

    expect(again.findings().map(({ code }) => code)).toEqual([
      'journal.records_differ',
      'journal.record_damaged',
    ]);
    expect(await get(again, 'b')).toBe('two');
  });
});

describe('one scope whose key cannot be had', () => {
  it('fails what touches it, and nothing else of the same batch', async () => {
    const journal = await world.open({
      cipher: async (scope) => {
        if (scope === 'env:shop/prod') throw new Error('its key is damaged');
        return await world.keyring.cipher(scope);
      },
    });

    const [bad, swallowed, good] = await Promise.allSettled([
      journal.run((turn) => ({ answer: turn.space('env:shop/prod').list(''), audit: [line('x')] })),
      journal.run((turn) => {
        let answer: string;
        try {
          turn.space('env:shop/prod');
          answer = 'saw it';
        } catch {
          answer = 'there is none';
        }
        return { answer, audit: [line('x')] };
      }),
      put(journal, 'a', 'one'),
    ]);

    expect(bad).toMatchObject({ status: 'rejected', reason: { message: 'its key is damaged' } });
    expect(swallowed).toMatchObject({ status: 'rejected', reason: { message: 'its key is damaged' } });
    expect(good.status).toBe('fulfilled');
  });
});
