import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Db, LedgerEvent } from '#platform';
import type { AuditCursor, AuditLine } from './audit-reader.ts';
import { get, line, openWorld, put, type World } from './journal.fixture.ts';
import type { Journal } from './journal.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const texts = async (journal: Journal, after?: AuditCursor): Promise<AuditLine[]> => {
  const lines: AuditLine[] = [];
  for await (const each of journal.audit(after === undefined ? {} : { after })) lines.push(each);
  return lines;
};
const said = (lines: readonly AuditLine[]): string[] =>
  lines.map((each) => JSON.parse(each.line.toString()).text);

const leaves = async (source: string): Promise<readonly LedgerEvent[]> =>
  (
    await world.rows<{ event: LedgerEvent }>(
      `select event from test_events where event->>'resource' = 'audit/${source}' order by id`,
    )
  ).map(({ event }) => event);

/** `from` and `to` of each leaf. */
const places = (events: readonly LedgerEvent[]): ReadonlyArray<readonly [number, number]> =>
  events.map(({ detail }) => {
    const { from, to } = detail as { from: number; to: number };
    return [from, to];
  });

async function busy(journal: Journal, rounds: number): Promise<string[]> {
  const expected: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    world.clock.advance(1000);
    const change = round % 3 === 0;
    if (change) await put(journal, `p${round}`, 'x');
    else await get(journal, `p${round}`);
    expected.push(`${change ? 'put' : 'get'} p${round}`);
  }
  return expected;
}

describe('what is durable', () => {
  it.each([
    ['read', (journal: Journal, n: number) => get(journal, `p${n}`)],
    ['written', (journal: Journal, n: number) => put(journal, 'p', `${n}`)],
  ])('is sealed to its end although more is %s all the time', async (_what, answer) => {
    const journal = await world.open();
    let stopped = false;
    let answered = 0;
    const load = Array.from({ length: 4 }, async () => {
      while (!stopped) {
        await answer(journal, answered);
        answered += 1;
      }
    });
    while (answered < 20) await new Promise((next) => setImmediate(next));
    const before = answered;

    const end = await journal.auditEnd();
    stopped = true;
    await Promise.all(load);

    expect(end.file + end.table).toBeGreaterThan(0);
    expect((await texts(journal)).length).toBeGreaterThanOrEqual(before);
    expect((await leaves('file')).length + (await leaves('table')).length).toBeLessThan(10);
  });
});

describe('the audit, read back', () => {
  it('has every line of both sources in the order of time', async () => {
    const journal = await world.open({ maxFileBytes: 800 });
    const expected = await busy(journal, 30);

    const lines = await texts(journal);

    expect(said(lines)).toEqual(expected);
    expect(lines.map(({ at }) => at)).toEqual(lines.map(({ at }) => at).sort((a, b) => a - b));
    expect(new Set(lines.map(({ source }) => source))).toEqual(new Set(['file', 'table']));
  });

  it('goes on where a reader stopped, at every line', async () => {
    const journal = await world.open();
    const expected = await busy(journal, 8);
    // One batch with several lines.
    await Promise.all(['a', 'b', 'c'].map((path) => put(journal, path, 'x')));
    const lines = await texts(journal);
    expect(said(lines)).toEqual([...expected, 'put a', 'put b', 'put c']);

    for (const [index, { next }] of lines.entries()) {
      const rest = said(await texts(journal, next));
      // Within a batch the whole of it comes again.
      const from = index === 8 || index === 9 ? 8 : index + 1;
      expect(rest).toEqual(said(lines).slice(from));
    }
  });

  it('has what replicas wrote, once', async () => {
    const one = await world.open({ alone: false });
    const two = await world.open({ alone: false, directory: `${world.directory}-two` });
    await Promise.all(Array.from({ length: 60 }, (_, n) => get(n % 2 === 0 ? one : two, `${n}`)));

    const lines = said(await texts(one));

    expect(lines.sort()).toEqual(Array.from({ length: 60 }, (_, n) => `get ${n}`).sort());
  });
});

describe('sealing into the ledger', () => {
  it('says which batches came next, without gap or repetition, from several callers at once', async () => {
    const one = await world.open({ alone: false });
    const two = await world.open({ alone: false, directory: `${world.directory}-two` });
    for (let round = 0; round < 10; round += 1) {
      await Promise.all([get(one, 'a'), put(two, 'a', `${round}`), one.archive(), two.archive()]);
    }
    while ((await one.archive()) + (await two.archive()) > 0);

    const [{ count } = { count: 0 }] = await world.rows<{ count: number }>(
      'select count(*)::integer as count from journal_batches',
    );
    let next = 1;
    for (const { detail } of await leaves('table')) {
      expect(detail).toMatchObject({ from: next });
      next = (detail as { to: number }).to + 1;
    }
    expect(next).toBe(count + 1);
    expect(await one.verifyAudit()).toMatchObject({
      ok: true,
      table: { batches: count, lines: 20, sealed: count },
    });
  });

  it('forgets and repeats no batch when any of its writes fails, before or after the commit', async () => {
    for (const mode of ['before', 'after'] as const) {
      for (let at = 1; at <= 5; at += 1) {
        await world.reset();
        let armed = 0;
        const db: Db = {
          ...world.db,
          write: async (work) => {
            const fails = armed > 0 && --armed === 0;
            if (fails && mode === 'before') throw new Error('failed');
            const result = await world.db.write(work);
            if (fails) throw new Error('failed');
            return result;
          },
        };
        const journal = await world.open({ db });
        await busy(journal, 4);
        armed = at;
        for (let round = 0; round < 3; round += 1) {
          await journal.archive().catch((error: unknown) => expect(String(error)).toContain('failed'));
          await get(journal, 'more');
        }
        armed = 0;
        const report = await journal.verifyAudit();

        expect(report.ok).toBe(true);
        expect([report.file.batches, report.table.batches]).toEqual([5, 2]);
        for (const source of ['file', 'table']) {
          const flat = places(await leaves(source)).flat();
          // Each begins where the one before ended, and the last ends at the end.
          expect(flat.at(0)).toBe(1);
          expect(flat.at(-1)).toBe(source === 'file' ? 5 : 2);
          for (let index = 1; index + 1 < flat.length; index += 2)
            expect(flat[index + 1]).toBe(Number(flat[index]) + 1);
        }
        await journal.close();
      }
    }
  });

  it('goes on after a restart where it was', async () => {
    const journal = await world.open();
    await busy(journal, 6);
    await journal.archive();
    await journal.close();
    const again = await world.open();
    await busy(again, 6);
    await again.archive();

    expect(places(await leaves('file'))).toEqual([
      [1, 4],
      [5, 8],
    ]);
    expect(places(await leaves('table'))).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect((await again.verifyAudit()).ok).toBe(true);
  });

  it('goes on where a server of the other kind stopped without sealing', async () => {
    for (let round = 0; round < 2; round += 1) {
      const replica = await world.open({ alone: false });
      for (const path of ['a', 'b', 'c']) await put(replica, path, 'by a replica');
      const db = { ...world.db };
      const single = await world.open({ db });
      expect(await world.rows('select from journal_batches where place is null')).toEqual([]);
      for (const path of ['a', 'b']) await put(single, path, 'by one alone');
      // As if it were killed: what it wrote has places, and no leaf.
      db.write = () => Promise.reject(new Error('killed'));
      await single.close();
    }
    const last = await world.open({ alone: false });
    await put(last, 'd', 'x');
    await last.archive();

    expect((await leaves('table')).at(-1)?.detail).toMatchObject({ from: 9, to: 11, lines: 3 });
    expect((await last.verifyAudit()).table).toMatchObject({ batches: 11, lines: 11, sealed: 11 });
    expect((await last.verifyAudit()).ok).toBe(true);
  });

  it('waits for a database that is away, and tells', async () => {
    const db: Db = { ...world.db, write: () => Promise.reject(new Error('away')) };
    const journal = await world.open();
    await put(journal, 'a', 'x');
    await journal.close();
    const broken = await world.open({ db: { ...world.db } });
    await get(broken, 'a');
    await broken.close();
    const offline = world.open({ db });

    await expect(offline).rejects.toThrow('away');
    expect((await (await world.open()).verifyAudit()).ok).toBe(true);
  });
});

describe('a changed audit', () => {
  async function sealed(): Promise<Journal> {
    const journal = await world.open({ maxFileBytes: 500 });
    await busy(journal, 9);
    await journal.archive();
    await busy(journal, 9);
    await journal.archive();
    return journal;
  }

  it.each([
    [
      'a line is changed',
      `update journal_batches set body = overlay(body placing 'X'::bytea from 12) where place = 3`,
      { place: 3, what: 'changed' },
    ],
    [
      'its time is changed',
      'update journal_batches set at = at - 1 where place = 2',
      { place: 2, what: 'changed' },
    ],
    [
      'its count is changed',
      'update journal_batches set lines = 7 where place = 4',
      { place: 4, what: 'changed' },
    ],
    ['a batch is removed', 'delete from journal_batches where place = 5', { place: 5, what: 'missing' }],
    ['the last is removed', 'delete from journal_batches where place = 6', { place: 6, what: 'missing' }],
    [
      'the mark is changed',
      `update journal_sealed set chain = decode(repeat('11', 32), 'hex') where source = 'table'`,
      { place: 6, what: 'mark changed' },
    ],
    [
      'the end is cut with its mark',
      `delete from journal_batches where place > 3; update journal_sealed set place = 3, chain = (select chain from journal_batches where place = 3) where source = 'table'`,
      { place: 4, what: 'missing' },
    ],
    [
      'two batches change places',
      'update journal_batches set place = -place where place in (2, 3); update journal_batches set place = 5 + place where place < 0',
      { place: 2, what: 'changed' },
    ],
  ])('in the table is found at the first batch that differs: %s', async (_, statement, difference) => {
    const journal = await sealed();
    expect((await journal.verifyAudit()).ok).toBe(true);
    await world.tamper(statement);

    const report = await journal.verifyAudit();

    expect(report).toMatchObject({ ok: false, table: { difference } });
    expect(report.table.batches).toBe(difference.place - 1);
    expect(report.file.difference).toBeUndefined();
  });

  it('that agrees with itself is found by the ledger', async () => {
    const journal = await sealed();
    await world.tamper(
      `update journal_batches set body = overlay(body placing 'X'::bytea from 12) where place = 5`,
    );
    // Chains anew from batch 5 on, as somebody with the database could: the formula is no secret.
    await world.tamper(`do $$
      declare b record; c bytea := (select chain from journal_batches where place = 4);
      begin
        for b in select * from journal_batches where place > 4 order by place loop
          c := sha256(c || int8send(b.at) || int4send(b.lines) || b.body);
          update journal_batches set chain = c where id = b.id;
        end loop;
        update journal_sealed set chain = c where source = 'table';
      end $$`);

    expect((await journal.verifyAudit()).table.difference).toEqual({
      place: 4,
      to: 6,
      what: 'changed with its chain',
    });
  });

  it('in a file is found at its batch, and the rest is told of', async () => {
    const journal = await sealed();
    const folder = join(world.directory, 'journal');
    const [, second = ''] = (await readdir(folder)).sort();
    const path = join(folder, second);
    const bytes = await readFile(path);
    bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
    await writeFile(path, bytes);

    const report = await journal.verifyAudit();

    expect(report.ok).toBe(false);
    expect(report.file.difference?.place).toBe(report.file.batches + 1);
    expect(report.table.difference).toBeUndefined();
  });

  it('by a file of another time is a finding, and the server goes on', async () => {
    const journal = await sealed();
    await journal.close();
    const folder = join(world.directory, 'journal');
    await cp(folder, `${folder}-kept`, { recursive: true });
    await rm(folder, { recursive: true });

    const again = await world.open();
    await get(again, 'a');
    await again.archive();

    const report = await again.verifyAudit();
    expect(report.file.difference).toMatchObject({ place: 1 });
    expect(report.table.difference).toBeUndefined();
    const other = said(await texts(again, { file: 12, table: 0 }));
    expect(other).toContain('get a');
  });

  it('is told of whoever forges a leaf of a batch that is not there', async () => {
    const journal = await sealed();
    await world.tamper(
      `insert into test_events (event) values ('{"type":"journal.audit.sealed","resource":"audit/file","actor":{"kind":"system","id":"x"},"detail":{"from":13,"to":20,"lines":1,"chain":"00"}}')`,
    );

    expect((await journal.verifyAudit()).file).toMatchObject({ difference: { place: 13 } });
  });
});

describe('audit without decisions', () => {
  it('is nothing: no batch, no leaf', async () => {
    const journal = await world.open();
    await journal.run(() => ({ answer: 1, audit: [] }));

    expect(await texts(journal)).toEqual([]);
    expect(await journal.archive()).toBe(0);
    expect((await journal.verifyAudit()).ok).toBe(true);
    await journal.run(() => ({ answer: 1, audit: [line('x'), line('y')] }));
    expect(said(await texts(journal))).toEqual(['x', 'y']);
  });
});
