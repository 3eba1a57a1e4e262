import { Session } from 'node:inspector/promises';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** Of the event loop's time, in a second: what timers and a poll of the queue take is less. */
const idleShare = 0.1;
const quietSeconds = 3;

/**
 * Gives back what starting left in this thread's heap: garbage, and pages that are mostly empty (16 MB of the server's
 * 57, 4 of PGlite's 19). V8 looks for both when a program allocates, which one that waits hardly does, so it would keep
 * them for as long as nobody comes.
 *
 * It stops the thread, for 2 ms for each MB that is in use; so it comes in the first seconds in which the thread has
 * nothing to do, and only once. Never keeps a process alive.
 */
export async function collectWhenIdle(): Promise<void> {
  for (let quiet = 0; quiet < quietSeconds; ) {
    const before = performance.eventLoopUtilization();
    await sleep(1000, undefined, { ref: false });
    quiet = performance.eventLoopUtilization(before).utilization < idleShare ? quiet + 1 : 0;
  }
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.collectGarbage');
  } finally {
    session.disconnect();
  }
}
