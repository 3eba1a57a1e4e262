import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '@sallyport/formats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestDb, type TestDb } from '../../../test-support/database.ts';
import { silentLog } from '../../../test-support/fakes.ts';
import type { Jobs } from '../ports.ts';
import { createJobs } from './jobs.ts';

let test: TestDb;
let jobs: Jobs;
beforeAll(async () => {
  test = await openTestDb([]);
});
afterAll(() => test.close());
beforeEach(() => {
  jobs = createJobs(test.db, silentLog);
});
afterEach(async () => {
  await jobs.stop();
  // As new for the next test.
  await test.db.execute('DROP SCHEMA IF EXISTS sallyport_jobs CASCADE');
});

const wake = (id: string, notBefore?: Date) =>
  test.db.write((tx) => jobs.wake(tx, 'runs', id, notBefore === undefined ? {} : { notBefore }));

async function until(done: () => boolean, ms = 8000): Promise<void> {
  const end = Date.now() + ms;
  while (!done() && Date.now() < end) await sleep(2);
  expect(done()).toBe(true);
}

async function waiting(): Promise<number> {
  const { rows } = await test.db.execute('SELECT id FROM sallyport_jobs.job');
  return rows.length;
}

describe('wake', () => {
  it('calls the handler within milliseconds of the commit, and leaves nothing behind', async () => {
    const seen: Array<readonly [string, number]> = [];
    jobs.handle('runs', async (id) => {
      seen.push([id, performance.now()]);
    });
    await jobs.start();
    await wake('warm');
    await until(() => seen.length === 1);

    const committed = await wake('run_1').then(() => performance.now());
    await until(() => seen.length === 2);

    expect(seen[1]?.[0]).toBe('run_1');
    expect((seen[1]?.[1] ?? Infinity) - committed).toBeLessThan(200);
    await sleep(50);
    expect(await waiting()).toBe(0);
  });

  it('is part of the transaction: a rollback leaves no wake', async () => {
    const seen: string[] = [];
    jobs.handle('runs', async (id) => {
      seen.push(id);
    });
    await jobs.start();

    await test.db
      .write(async (tx) => {
        await jobs.wake(tx, 'runs', 'never');
        throw new Error('rolled back');
      })
      .catch(() => undefined);
    await wake('after');
    await until(() => seen.length > 0);

    expect(seen).toEqual(['after']);
  });

  it('waits for its date, and meets it', async () => {
    let at = 0;
    jobs.handle('runs', async () => {
      at = Date.now();
    });
    await jobs.start();
    const date = new Date(Date.now() + 600);

    await wake('run_1', date);
    await until(() => at !== 0);

    expect(at).toBeGreaterThanOrEqual(date.getTime());
    expect(at - date.getTime()).toBeLessThan(500);
  });

  it('of a thing that is being handled causes exactly one more run, however many there were', async () => {
    let running = 0;
    let most = 0;
    let runs = 0;
    let open: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    jobs.handle('runs', async () => {
      running += 1;
      runs += 1;
      most = Math.max(most, running);
      if (runs === 1) await gate;
      running -= 1;
    });
    await jobs.start();

    await wake('run_1');
    await until(() => running === 1);
    for (let i = 0; i < 5; i += 1) await wake('run_1');
    await sleep(100);
    open?.();
    await until(() => runs === 2);
    await sleep(100);

    expect(runs).toBe(2);
    expect(most).toBe(1);
    expect(await waiting()).toBe(0);
  });

  it('runs many different things at once', async () => {
    const seen = new Set<string>();
    jobs.handle('runs', async (id) => {
      await sleep(20);
      seen.add(id);
    });
    await jobs.start();

    await test.db.write(async (tx) => {
      for (let i = 0; i < 100; i += 1) await jobs.wake(tx, 'runs', `run_${i}`);
    });

    await until(() => seen.size === 100);
  });

  it('is tried again when the handler throws', async () => {
    let runs = 0;
    jobs.handle('runs', async () => {
      runs += 1;
      if (runs < 2) throw new Error('not yet');
    });
    await jobs.start();

    await wake('run_1');

    await until(() => runs === 2);
    await sleep(50);
    expect(await waiting()).toBe(0);
  });

  it('is not tried again after an integrity fault', async () => {
    let runs = 0;
    jobs.handle('runs', async () => {
      runs += 1;
      throw new Fault('integrity', 'ledger.broken', 'hash differs');
    });
    await jobs.start();

    await wake('run_1');
    await until(() => runs === 1);
    await sleep(3000);

    expect(runs).toBe(1);
    expect(await waiting()).toBe(0);
  });

  it('of a queue without a handler is a mistake and is refused', async () => {
    await jobs.start();

    await expect(wake('run_1')).rejects.toMatchObject({ code: 'platform.unknown_queue' });
  });
});

describe('stop', () => {
  it('waits for the handler that runs, and the next start takes up what was left', async () => {
    const seen: string[] = [];
    jobs.handle('runs', async (id) => {
      seen.push(`start ${id}`);
      await sleep(200);
      seen.push(`end ${id}`);
    });
    await jobs.start();
    await wake('run_1');
    await until(() => seen.length === 1);

    await jobs.stop();
    expect(seen).toEqual(['start run_1', 'end run_1']);

    const next = createJobs(test.db, silentLog);
    next.handle('runs', async (id) => {
      seen.push(id);
    });
    await next.start();
    await test.db.write((tx) => next.wake(tx, 'runs', 'run_2'));
    await until(() => seen.includes('run_2'));
    await next.stop();
  });
});

describe('every', () => {
  it('ticks again and again, survives a throw, and never overlaps itself', async () => {
    let ticks = 0;
    let running = 0;
    let most = 0;
    jobs.every('sweep', 0.02, async () => {
      running += 1;
      most = Math.max(most, running);
      ticks += 1;
      await sleep(10);
      running -= 1;
      if (ticks === 2) throw new Error('once');
    });
    await jobs.start();

    await until(() => ticks >= 5);

    expect(most).toBe(1);
  });

  it('runs on one replica at a time', async () => {
    const other = createJobs(test.db, silentLog);
    let running = 0;
    let most = 0;
    const tick = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await sleep(15);
      running -= 1;
    };
    jobs.every('sweep', 0.01, tick);
    other.every('sweep', 0.01, tick);

    await jobs.start();
    await other.start();
    await sleep(400);
    await other.stop();

    expect(most).toBe(1);
  });
});
