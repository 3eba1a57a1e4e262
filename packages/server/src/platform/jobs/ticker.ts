import type { AdvisoryLocks } from '../db/advisory-locks.ts';
import type { Log } from '../ports.ts';

export interface Ticker {
  start(): void;
  /** No tick begins any more; resolves when the one that runs has finished. */
  stop(): Promise<void>;
}

/** Runs `tick` now and then every `everySeconds`, never twice at once: not here and not on another replica. */
export function createTicker(
  name: string,
  everySeconds: number,
  tick: () => Promise<void>,
  locks: AdvisoryLocks,
  log: Log,
): Ticker {
  let timer: NodeJS.Timeout | undefined;
  let current: Promise<void> = Promise.resolve();
  let stopped = false;

  async function once(): Promise<void> {
    try {
      const release = await locks.tryLock(`every/${name}`);
      if (release === undefined) return;
      try {
        await tick();
      } finally {
        await release();
      }
    } catch (error) {
      log.error({ task: name, err: error }, 'a periodic task failed');
    }
  }

  function loop(): void {
    if (stopped) return;
    current = once().finally(() => {
      if (!stopped) timer = setTimeout(loop, everySeconds * 1000);
    });
  }

  return {
    start: loop,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await current;
    },
  };
}
