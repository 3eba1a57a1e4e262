import { isFault } from '@sallyport/formats';
import type { PgBoss } from 'pg-boss';
import type { Log } from '../ports.ts';
import type { Wake } from './boss.ts';

/** How many things of one queue are advanced at the same time in one process. */
const concurrency = 16;

interface Delivery {
  readonly id: string;
  readonly wake: Wake;
}

export interface Queue {
  /** Looks for wakes now. Calls while it looks make it look once more. */
  nudge(): void;
  /** Deliveries this process holds, for the heartbeat. */
  held(): readonly string[];
  /** Takes no more; resolves when what runs has finished. */
  drain(): Promise<void>;
}

/**
 * Fetches wakes and runs the handler. Wakes for a thing that is being handled wait for it and then cause one more run
 * together: the handler saw a state from before them. A wake is deleted after its handler succeeded, so a crash
 * anywhere runs it again.
 */
export function createQueue(
  name: string,
  handler: (id: string) => Promise<void>,
  boss: PgBoss,
  log: Log,
): Queue {
  const running = new Map<string, { current: readonly string[]; next: string[] }>();
  const tasks = new Set<Promise<void>>();
  let looking = false;
  let lookAgain = false;
  let draining = false;

  function nudge(): void {
    if (draining) return;
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = true;
    const task = look().finally(() => {
      looking = false;
      tasks.delete(task);
      if (lookAgain) {
        lookAgain = false;
        nudge();
      }
    });
    tasks.add(task);
  }

  async function look(): Promise<void> {
    try {
      for (;;) {
        const room = concurrency - running.size;
        if (room <= 0 || draining) return;
        const jobs = await boss.fetch<Wake>(name, { batchSize: room });
        for (const job of jobs) take({ id: job.id, wake: job.data });
        if (jobs.length < room) return;
      }
    } catch (error) {
      log.error({ queue: name, err: error }, 'wakes could not be fetched');
    }
  }

  function take(delivery: Delivery): void {
    const busy = running.get(delivery.wake.id);
    if (busy !== undefined) {
      busy.next.push(delivery.id);
      return;
    }
    start(delivery.wake.id, [delivery.id]);
  }

  function start(id: string, deliveries: readonly string[]): void {
    running.set(id, { current: deliveries, next: [] });
    const task = run(id, deliveries).finally(() => {
      tasks.delete(task);
      const next = running.get(id)?.next ?? [];
      running.delete(id);
      if (next.length > 0) start(id, next);
      // Room was made; the fetch that found none ended.
      else nudge();
    });
    tasks.add(task);
  }

  async function run(id: string, deliveries: readonly string[]): Promise<void> {
    try {
      await handler(id);
      await settle(deliveries);
    } catch (error) {
      log.error({ queue: name, id, err: error }, 'a wake failed');
      // Stored data that is not what it was does not heal by trying again; people must look.
      if (isFault(error) && error.kind === 'integrity') await settle(deliveries);
      else await retryLater(deliveries);
    }
  }

  async function settle(deliveries: readonly string[]): Promise<void> {
    await boss.deleteJob(name, [...deliveries]).catch((error: unknown) => {
      log.error({ queue: name, err: error }, 'a wake could not be settled; it will run again');
    });
  }

  /** One of several wakes for the same thing is enough to try again with. */
  async function retryLater(deliveries: readonly string[]): Promise<void> {
    const [first, ...rest] = deliveries;
    try {
      if (first !== undefined) await boss.fail(name, first);
      if (rest.length > 0) await boss.deleteJob(name, rest);
    } catch (error) {
      log.error({ queue: name, err: error }, 'a wake could not be put back; it will be recovered');
    }
  }

  return {
    nudge,
    held: () => [...running.values()].flatMap(({ current, next }) => [...current, ...next]),
    drain: async () => {
      draining = true;
      while (tasks.size > 0) await Promise.allSettled([...tasks]);
    },
  };
}
