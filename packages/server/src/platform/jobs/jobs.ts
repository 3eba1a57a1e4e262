import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '@sallyport/formats';
import { addAfterCommit } from '../db/after-commit.ts';
import type { Database } from '../db/database.ts';
import type { Jobs, Log } from '../ports.ts';
import { createBoss, heartbeatSeconds, openQueue, sendIn } from './boss.ts';
import { createQueue, type Queue } from './queue.ts';
import { createTicker, type Ticker } from './ticker.ts';

/** Finds what no nudge announced: wakes of other replicas, retries, and dates that have come. */
const pollMs = 2_000;
/** A date this near gets a timer of its own, so that it is met to the millisecond and not to the poll. */
const timerHorizonMs = 10 * 60_000;
const stopSeconds = 20;

export function createJobs(db: Database, log: Log): Jobs {
  const boss = createBoss(db, log);
  const handlers = new Map<string, (id: string) => Promise<void>>();
  const queues = new Map<string, Queue>();
  const tickers: Ticker[] = [];
  const timers = new Set<NodeJS.Timeout>();
  let state: 'new' | 'running' | 'stopped' = 'new';
  let poll: NodeJS.Timeout | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  function nudgeAt(queue: string, date: Date | undefined): void {
    const delayMs = date === undefined ? 0 : date.getTime() - Date.now();
    if (delayMs <= 0) {
      queues.get(queue)?.nudge();
      return;
    }
    if (delayMs > timerHorizonMs || state !== 'running') return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      queues.get(queue)?.nudge();
      // The database's clock decides what is due, and it may be a little behind.
    }, delayMs + 20);
    timer.unref();
    timers.add(timer);
  }

  function beat(): void {
    for (const [name, queue] of queues) {
      const held = queue.held();
      if (held.length === 0) continue;
      boss.touch(name, [...held]).catch((error: unknown) => {
        log.warn({ queue: name, err: error }, 'a heartbeat was not sent');
      });
    }
  }

  return {
    wake: async (tx, queue, id, options = {}) => {
      if (!queues.has(queue)) {
        throw new Fault(
          'internal',
          'platform.unknown_queue',
          `expected a queue with a handler after start, got '${queue}'`,
          {
            hint: 'call handle before start, and start before the first wake',
          },
        );
      }
      await sendIn(boss, tx, queue, { id }, options.notBefore);
      addAfterCommit(tx, () => nudgeAt(queue, options.notBefore));
    },
    handle: (queue, handler) => {
      if (state !== 'new' || handlers.has(queue)) {
        throw new Fault(
          'internal',
          'platform.handler',
          `expected one handler before start, got another for '${queue}'`,
        );
      }
      handlers.set(queue, handler);
    },
    every: (name, everySeconds, tick) => {
      const ticker = createTicker(name, everySeconds, tick, db.locks, log);
      tickers.push(ticker);
      if (state === 'running') ticker.start();
    },
    start: async () => {
      if (state !== 'new')
        throw new Fault('internal', 'platform.jobs_state', `expected new jobs, got ${state} ones`);
      await boss.start();
      for (const name of handlers.keys()) await openQueue(boss, db, name);
      for (const [name, handler] of handlers) queues.set(name, createQueue(name, handler, boss, log));
      state = 'running';
      for (const queue of queues.values()) queue.nudge();
      for (const ticker of tickers) ticker.start();
      poll = setInterval(() => {
        for (const queue of queues.values()) queue.nudge();
      }, pollMs);
      if (db.engine === 'postgres') heartbeat = setInterval(beat, (heartbeatSeconds / 4) * 1000);
    },
    stop: async () => {
      if (state !== 'running') return;
      state = 'stopped';
      clearInterval(poll);
      for (const timer of timers) clearTimeout(timer);
      const drained = Promise.all([
        ...[...queues.values()].map((queue) => queue.drain()),
        ...tickers.map((ticker) => ticker.stop()),
      ]);
      const late = new AbortController();
      await Promise.race([
        drained.then(() => late.abort()),
        sleep(stopSeconds * 1000, undefined, { signal: late.signal }).then(
          // What still runs is not lost: its wake is still there and runs again.
          () => log.warn({ stopSeconds }, 'handlers did not finish in time'),
          () => undefined,
        ),
      ]);
      clearInterval(heartbeat);
      await boss.stop({ graceful: false, close: false });
    },
  };
}
