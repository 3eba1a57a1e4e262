import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Db } from '#platform';
import { fixedClock } from '../../test-support/fakes.ts';
import { get, increment, line, openWorld, put, remove, type World } from './journal.fixture.ts';
import type { Journal } from './journal.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());
beforeEach(() => world.reset());

const openReplica = (name: string, more: Parameters<World['open']>[0] = {}): Promise<Journal> =>
  world.open({ alone: false, directory: `${world.directory}-${name}`, ...more });

describe('replicas on one database', () => {
  it('see what the others wrote and removed, at once', async () => {
    const [one, two] = [await openReplica('one'), await openReplica('two')];

    await put(one, 'a/b', 'x');
    expect(await get(two, 'a/b')).toBe('x');
    await put(two, 'a/b', 'y');
    await put(two, 'a/c', 'z');
    expect(await put(one, 'a/b', 'w')).toBe('y');
    await remove(one, 'a/c');
    expect(await get(two, 'a/c')).toBeUndefined();
    expect(two.peek((turn) => turn.space('system').list('a/'))).toEqual(['b']);
    expect([one.findings(), two.findings()]).toEqual([[], []]);
  });

  it('start while the others go on, also with one directory for all', async () => {
    const directory = `${world.directory}-shared`;
    const { db } = world;
    const one = await openReplica('shared', { directory });
    // Whichever read of its start is the one after which the others move on.
    for (let moves = 1; moves <= 6; moves += 1) {
      let reads = 0;
      const slow: Db = {
        ...db,
        async read(work) {
          const result = await db.read(work);
          reads += 1;
          if (reads === moves) {
            for (const text of ['1', '2', '3']) await put(one, 'a', text);
            await one.archive();
          }
          return result;
        },
      };
      const two = await openReplica('shared', { directory, db: slow });
      await put(one, 'a', 'last');
      expect(await get(two, 'a')).toBe('last');
      await two.close();
    }
  });

  it('lose no increment and read nothing stale, by a check of the whole history', async () => {
    const replicas = [await openReplica('one'), await openReplica('two'), await openReplica('three')];
    const history: { readonly kind: 'add' | 'read'; begun: number; ended: number; value: number }[] = [];
    let tick = 0;
    const client = async (journal: Journal, rounds: number): Promise<void> => {
      for (let round = 0; round < rounds; round += 1) {
        const kind = round % 3 === 0 ? 'add' : 'read';
        tick += 1;
        const begun = tick;
        const value = kind === 'add' ? await increment(journal, 'n') : Number((await get(journal, 'n')) ?? 0);
        tick += 1;
        history.push({ kind, begun, ended: tick, value });
      }
    };

    await Promise.all(replicas.flatMap((journal) => Array.from({ length: 4 }, () => client(journal, 15))));

    const adds = history.filter(({ kind }) => kind === 'add');
    expect(adds.map(({ value }) => value).sort((a, b) => a - b)).toEqual(adds.map((_, index) => index + 1));
    for (const each of history) {
      // Whatever ended before this began must be seen; what had not begun when this ended must not.
      const least = Math.max(
        0,
        ...history.filter(({ ended }) => ended < each.begun).map(({ value }) => value),
      );
      const most = adds.filter(({ begun }) => begun < each.ended).length;
      expect(each.value).toBeGreaterThanOrEqual(least);
      expect(each.value).toBeLessThanOrEqual(most);
    }
    expect(replicas.map((journal) => journal.findings())).toEqual([[], [], []]);
  });

  it('decide again on the new state, and only the last decision counts', async () => {
    const [one, two] = [await openReplica('one'), await openReplica('two')];
    await put(one, 'a', '1');
    await get(two, 'a');
    await put(one, 'a', '2');
    const seen: (string | undefined)[] = [];

    const answer = await two.run((turn) => {
      const space = turn.space('system');
      const text = space.get('a')?.toString();
      seen.push(text);
      if (text === '1') space.put('wrong', Buffer.from('x'));
      space.put('right', Buffer.from(`${text}`));
      return { answer: text, audit: [line(`saw ${text}`)] };
    });

    expect(seen).toEqual(['1', '2']);
    expect(answer).toBe('2');
    expect([await get(one, 'wrong'), await get(one, 'right')]).toEqual([undefined, '2']);
    const bodies = await world.rows<{ body: Uint8Array }>('select body from journal_batches order by id');
    const lines = bodies.map(({ body }) => Buffer.from(body).toString()).join('');
    expect(lines).toContain('saw 2');
    expect(lines).not.toContain('saw 1');
  });

  it('agree on the time: it does not go back on a replica whose clock is behind', async () => {
    const ahead = fixedClock('2026-01-02T04:00:00.000Z');
    const behind = fixedClock('2026-01-02T03:00:00.000Z');
    const [one, two] = [
      await openReplica('one', { clock: ahead }),
      await openReplica('two', { clock: behind }),
    ];
    const now = (journal: Journal): Promise<number> =>
      journal.run((turn) => {
        turn.space('system').put('at', Buffer.from(String(turn.now)));
        return { answer: turn.now, audit: [line('x')] };
      });

    const first = await now(one);
    const second = await now(two);
    expect(first).toBeGreaterThanOrEqual(ahead.now().getTime());
    expect(second).toBeGreaterThanOrEqual(first);
    await Promise.all([one.close(), two.close()]);
    const third = await openReplica('three', { clock: behind });

    expect(await now(third)).toBeGreaterThanOrEqual(second);
  });

  it('reload when they missed that a record is gone', async () => {
    const wall = fixedClock();
    const one = await openReplica('one', { clock: wall });
    await Promise.all(Array.from({ length: 20 }, (_, n) => put(one, `r/${n}`, 'x')));
    const idle = await openReplica('idle');
    expect(await get(idle, 'r/7')).toBe('x');
    await remove(one, 'r/7');
    await one.archive();
    wall.advance(3_700_000);
    await one.archive();

    const [{ gone } = { gone: -1 }] = await world.rows<{ gone: number }>(
      'select count(*)::integer as gone from journal_records where sealed is null',
    );
    expect(gone).toBe(0);
    expect(await get(idle, 'r/7')).toBeUndefined();
    expect(await get(idle, 'r/8')).toBe('x');
    expect(idle.findings()).toEqual([]);
  });

  it('keep the marks of what is gone for an hour, and those that are younger', async () => {
    const wall = fixedClock();
    const one = await openReplica('one', { clock: wall });
    await put(one, 'a', 'x');
    await put(one, 'b', 'x');
    await remove(one, 'a');
    await one.archive();
    wall.advance(3_000_000);
    await remove(one, 'b');
    await one.archive();
    const gone = () => world.rows('select path from journal_records where sealed is null order by path');
    expect(await gone()).toEqual([{ path: 'a' }, { path: 'b' }]);
    wall.advance(700_000);
    await one.archive();

    expect(await gone()).toEqual([{ path: 'b' }]);
    await put(one, 'b', 'again');
    expect(await get(await openReplica('two'), 'b')).toBe('again');
  });

  it('find a change past them while they run', async () => {
    const [one, two] = [await openReplica('one'), await openReplica('two')];
    await put(one, 'a', 'old');
    await put(one, 'b', 'x');
    await world.tamper('drop table if exists kept; create table kept as select * from journal_records');
    await put(one, 'a', 'new');
    await get(two, 'a');
    await world.tamper(`update journal_records set sealed = (select sealed from kept where path = 'a'), epoch = 4
      where path = 'a'`);
    await put(one, 'b', 'y');

    expect(await get(two, 'b')).toBe('y');
    expect(two.findings()).toMatchObject([{ code: 'journal.records_differ' }]);
    expect(one.findings()).toEqual([]);
  });

  it('follow the others while they are idle', async () => {
    const [one, two] = [await openReplica('one'), await openReplica('two')];
    await two.openScope('system');
    await put(one, 'a', 'x');
    expect(two.peek((turn) => turn.space('system').has('a'))).toBe(false);

    await two.archive();

    expect(two.peek((turn) => turn.space('system').has('a'))).toBe(true);
  });
});

interface Plan {
  count: number;
  at: number;
}

/** Fails one write: nothing of it happened ('before'), or all of it did and nobody hears of it ('after'). */
function faulty(db: Db, plan: Plan, mode: 'before' | 'after'): Db {
  async function fail<T>(work: () => Promise<T>): Promise<T> {
    plan.count += 1;
    if (plan.count !== plan.at) return await work();
    if (mode === 'after') await work();
    throw new Error(`write ${plan.count} failed`);
  }
  return {
    engine: db.engine,
    read: db.read,
    write: (work) => fail(() => db.write(work)),
    statement: (work) => fail(() => db.statement(work)),
  };
}

describe.each([
  ['alone', true],
  ['with others', false],
] as const)('a failed write of a server that is %s', (_, alone) => {
  it.each(['before', 'after'] as const)('leaves memory as the store is, at each write (%s)', async (mode) => {
    let failures = 0;
    for (let at = 1; at <= 12; at += 1) {
      await world.reset();
      const other = await openReplica('other');
      const plan: Plan = { count: 0, at: 0 };
      const journal = await world.open({ alone, db: faulty(world.db, plan, mode) });
      // Opening made writes of its own.
      plan.at = plan.count + at;
      for (let round = 0; round < 6; round += 1) {
        if (!alone && round === 3) await put(other, 'a', 'from the other');
        const change = round % 2 === 0 ? increment(journal, 'n') : put(journal, 'a', `round ${round}`);
        const [outcome] = await Promise.allSettled([change]);
        if (outcome.status === 'rejected') {
          failures += 1;
          expect(outcome.reason).toMatchObject({ kind: 'unavailable', code: 'journal.unavailable' });
        }
        const fresh = await openReplica('fresh');
        const stored = [await get(fresh, 'n'), await get(fresh, 'a')];
        await fresh.close();
        const read = async (): Promise<unknown[]> => [await get(journal, 'n'), await get(journal, 'a')];
        // A read may be what fails; the next one is right.
        expect(await read().catch(read)).toEqual(stored);
      }
      expect(journal.findings()).toEqual([]);
      await journal.close();
    }
    expect(failures).toBeGreaterThan(3);
  });
});
