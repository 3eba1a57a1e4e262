import { Fault } from '@sallyport/formats';
import { beforeEach, describe, expect, it } from 'vitest';
import { createCiphers } from './ciphers.ts';
import type { Settle } from './commit.ts';
import { createLane, type Lane } from './lane.ts';
import { createState } from './state.ts';
import { createStateHash } from './state-hash.ts';
import type { Turn } from './turn.ts';

/** Commits in memory, when the test says so. */
let commits: Settle[];
let gate: Promise<void>;
let fails: unknown;
let lane: Lane;
let opened: string[];
/** What makes batches that changed nothing durable; without it they are at once. */
let overlapping: Array<{ readonly end: () => void; readonly fail: (error: Error) => void }> | undefined;
beforeEach(() => {
  commits = [];
  overlapping = undefined;
  opened = [];
  gate = Promise.resolve();
  fails = undefined;
  const ciphers = createCiphers(() => undefined);
  const state = createState(createStateHash(Buffer.alloc(32)), ciphers);
  const cipher = {
    newestVersion: 1,
    keyVersionOf: () => 1,
    seal: (_: string, bytes: Uint8Array) => Uint8Array.from(bytes),
    open: (_: string, bytes: Uint8Array) => Buffer.from(bytes),
    rewrap: (_: string, bytes: Uint8Array) => bytes,
    refresh: async () => undefined,
  };
  lane = createLane({
    state,
    clock: { now: () => 1, atLeast: () => undefined },
    committer: {
      async commit(decide, openScope) {
        let settle = decide();
        while (settle.missing.size > 0) {
          for (const scope of settle.missing) await openScope(scope);
          settle = decide();
        }
        await gate;
        if (fails !== undefined) throw fails;
        state.settle(settle.sum);
        commits.push(settle);
        if (overlapping === undefined || settle.changes.length > 0) return settle;
        const durable = new Promise<void>((end, fail) => overlapping?.push({ end, fail }));
        return { ...settle, durable };
      },
    },
    openScope: async (scope) => {
      opened.push(scope);
      ciphers.set(scope, cipher);
    },
    closedFault: () => new Fault('unavailable', 'journal.closed', 'closed'),
  });
});

const line = Buffer.from('{}\n');
const decidePut = (path: string, text: string) => (turn: Turn) => {
  const before = turn.space('s').get(path)?.toString();
  turn.space('s').put(path, Buffer.from(text));
  return { answer: before, audit: [line] };
};

describe('the lane', () => {
  it('decides what waits together, in order, each seeing what came before', async () => {
    const answers = await Promise.all(['1', '2', '3'].map((text) => lane.run(decidePut('a', text))));

    expect(answers).toEqual([undefined, '1', '2']);
    expect(commits).toHaveLength(1);
    expect(commits[0]?.changes).toHaveLength(1);
    expect(commits[0]?.audit).toHaveLength(3);
    expect(opened).toEqual(['s']);
  });

  it('bounds a batch, and loses nobody', async () => {
    const answers = await Promise.all(
      Array.from({ length: 1000 }, (_, n) => lane.run(() => ({ answer: n, audit: [line] }))),
    );

    expect(answers).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(Math.max(...commits.map(({ outcomes }) => outcomes.length))).toBe(128);
  });

  it('undoes a decision that throws, and keeps those beside it', async () => {
    const refused = new Fault('denied', 'x.y', 'no');
    const [one, two, three] = await Promise.allSettled([
      lane.run(decidePut('a', 'one')),
      lane.run((turn) => {
        turn.space('s').put('a', Buffer.from('two'));
        turn.space('s').put('b', Buffer.from('two'));
        throw refused;
      }),
      lane.run(decidePut('b', 'three')),
    ]);

    expect(one).toEqual({ status: 'fulfilled', value: undefined });
    expect(two).toEqual({ status: 'rejected', reason: refused });
    expect(three).toEqual({ status: 'fulfilled', value: undefined });
    expect(await lane.run(decidePut('a', ''))).toBe('one');
    expect(commits[0]?.audit).toHaveLength(2);
  });

  it('undoes a batch that could not be made durable, and answers none of it', async () => {
    await lane.run(decidePut('a', 'one'));
    fails = new Error('disk full');
    const [one, two] = await Promise.allSettled([
      lane.run(decidePut('a', 'two')),
      lane.run(() => ({ answer: 'a secret', audit: [line] })),
    ]);
    fails = undefined;

    const unavailable = { status: 'rejected', reason: { kind: 'unavailable', code: 'journal.unavailable' } };
    expect([one, two]).toMatchObject([unavailable, unavailable]);
    expect(await lane.run(decidePut('a', 'three'))).toBe('one');
  });

  it('passes an integrity fault through, and does not soften it', async () => {
    fails = new Fault('integrity', 'x.broken', 'broken');

    await expect(lane.run(decidePut('a', 'x'))).rejects.toBe(fails);
  });

  it('refuses audit beyond its bound, for that decision only', async () => {
    const [big, small] = await Promise.allSettled([
      lane.run((turn) => {
        turn.space('s').put('a', Buffer.from('x'));
        return { answer: 1, audit: [Buffer.alloc(3_000_000), Buffer.alloc(3_000_000)] };
      }),
      lane.run(decidePut('b', 'x')),
    ]);

    expect(big).toMatchObject({ status: 'rejected', reason: { code: 'journal.audit_too_large' } });
    expect(small.status).toBe('fulfilled');
    expect(commits[0]?.changes.map(({ path }) => path)).toEqual(['b']);
  });

  it('refuses what would wait too long', async () => {
    let release: () => void = () => undefined;
    gate = new Promise((resolve) => {
      release = resolve;
    });
    const all = Array.from({ length: 20_300 }, () => lane.run(() => ({ answer: 1, audit: [line] })));
    const full = await Promise.allSettled(all.slice(-300));
    release();

    expect(full[299]).toMatchObject({ status: 'rejected', reason: { code: 'journal.queue_full' } });
    expect(
      (await Promise.allSettled(all.slice(0, 20_000))).every(({ status }) => status === 'fulfilled'),
    ).toBe(true);
  });

  it('runs what is to be alone between two batches', async () => {
    const order: string[] = [];
    const note = (text: string) => () => {
      order.push(text);
      return { answer: 0, audit: [line] };
    };
    const first = lane.run(note('decided'));
    const alone = lane.alone(async () => {
      order.push('begun');
      await Promise.resolve();
      order.push('ended');
      return 5;
    });

    expect(await alone).toBe(5);
    await Promise.all([first, lane.run(note('decided'))]);
    expect(order.join(' ')).toMatch(/begun ended/);
    await expect(lane.alone(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await lane.run(() => ({ answer: 'goes on', audit: [] }))).toBe('goes on');
  });

  it('finishes what it took and refuses what comes after closing', async () => {
    const taken = lane.run(decidePut('a', 'x'));
    const closing = lane.close();

    await expect(lane.run(decidePut('a', 'y'))).rejects.toMatchObject({ code: 'journal.closed' });
    await expect(lane.alone(async () => 1)).rejects.toMatchObject({ code: 'journal.closed' });
    await closing;
    expect(await taken).toBeUndefined();
    expect(commits).toHaveLength(1);
  });
});

describe('a batch that changed nothing', () => {
  const read = (path: string) => (turn: Turn) => ({
    answer: turn.space('s').get(path)?.toString(),
    audit: [line],
  });
  const rounds = async (): Promise<void> => {
    for (let round = 0; round < 5; round += 1) await new Promise((next) => setImmediate(next));
  };

  it('lets others be decided while it is written, and is answered only then', async () => {
    overlapping = [];
    const answered: string[] = [];
    const first = lane.run(read('a')).then(() => answered.push('first'));
    await rounds();
    const put = lane.run(decidePut('a', 'x')).then(() => answered.push('put'));
    await rounds();
    const second = lane.run(read('a')).then((value) => answered.push(`second ${value}`));
    await rounds();
    expect(answered).toEqual(['put']);

    for (const { end } of overlapping) end();
    await Promise.all([first, put, second]);

    expect(answered).toEqual(['put', 'first', 'second x']);
  });

  it('is refused alone when it could not be written', async () => {
    overlapping = [];
    const [first, second] = [lane.run(read('a')), rounds().then(() => lane.run(read('a')))];
    first.catch(() => undefined);
    await rounds();
    await rounds();
    overlapping[0]?.fail(new Error('the disk is full'));
    overlapping[1]?.end();

    await expect(first).rejects.toMatchObject({ code: 'journal.unavailable' });
    await expect(second).resolves.toBeUndefined();
  });

  it('is over before a task runs alone, and before the lane is closed', async () => {
    overlapping = [];
    const order: string[] = [];
    void lane.run(read('a')).then(() => order.push('answer'));
    await rounds();
    const task = lane.alone(async () => void order.push('task'));
    await rounds();
    expect(order).toEqual([]);
    overlapping[0]?.end();
    await task;
    void lane.run(read('a')).then(() => order.push('last answer'));
    await rounds();
    const closed = lane.close().then(() => order.push('closed'));
    await rounds();
    overlapping[1]?.end();
    await closed;

    expect(order).toEqual(['answer', 'task', 'last answer', 'closed']);
  });

  it('waits with its decision where too many are being written', async () => {
    overlapping = [];
    for (let batch = 0; batch < 40; batch += 1) {
      void lane.run(read('a'));
      await rounds();
    }

    expect(commits).toHaveLength(16);
    for (let ended = 0; commits.length < 17; ended += 1) {
      overlapping[ended]?.end();
      await rounds();
    }
    expect(commits[16]?.audit).toHaveLength(24);
  });
});
