import type { Log } from '#platform';

/** Small things that every replica does for itself, again and again; errors are logged, and the next time comes. */
export interface Timers {
  every(name: string, seconds: number, work: () => Promise<unknown>): void;
  start(): void;
  /** Waits for what runs. */
  stop(): Promise<void>;
}

export function createTimers(log: Log): Timers {
  const tasks: Array<{
    name: string;
    seconds: number;
    work: () => Promise<unknown>;
    timer?: NodeJS.Timeout;
    running?: Promise<void>;
  }> = [];
  let stopped = true;

  function schedule(task: (typeof tasks)[number]): void {
    if (stopped) return;
    task.timer = setTimeout(() => {
      task.running = task
        .work()
        .then(
          () => undefined,
          (error: unknown) => log.error({ task: task.name, err: error }, 'a periodic task failed'),
        )
        .then(() => schedule(task));
    }, task.seconds * 1000);
  }

  return {
    every: (name, seconds, work) => void tasks.push({ name, seconds, work }),
    start() {
      stopped = false;
      for (const task of tasks) schedule(task);
    },
    async stop() {
      stopped = true;
      for (const task of tasks) clearTimeout(task.timer);
      await Promise.all(tasks.map((task) => task.running));
    },
  };
}
