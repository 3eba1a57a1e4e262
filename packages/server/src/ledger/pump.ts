import type { Log } from '#platform';

export interface Pump {
  /** Says that something was written; it is looked for after the next tick. */
  nudge(): void;
  start(): void;
  /** Waits for the batch that runs. */
  stop(): Promise<void>;
}

const tickMilliseconds = 100;
/** How often to look without a nudge: for rows of other replicas, and for what a crash left. */
const idleTicks = 20;

/**
 * Integrates in the background. A nudge only sets a flag: it comes from inside the writer's transaction, where a
 * batch, which is a transaction of its own, must not begin.
 */
export function createPump(integrate: () => Promise<number>, log: Log): Pump {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = true;
  let nudged = true;
  let ticks = 0;

  async function drain(): Promise<void> {
    try {
      while (!stopped && (await integrate()) > 0);
    } catch (error) {
      log.error({ err: error }, 'ledger entries could not be integrated');
    }
  }

  function tick(): void {
    ticks += 1;
    const due = nudged || ticks % idleTicks === 0;
    if (due) {
      nudged = false;
      running = drain();
    }
    void running.then(schedule);
  }

  function schedule(): void {
    if (!stopped) timer = setTimeout(tick, tickMilliseconds);
  }

  return {
    nudge() {
      nudged = true;
    },
    start() {
      if (!stopped) return;
      stopped = false;
      schedule();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
