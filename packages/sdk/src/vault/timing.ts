/** Time and chance as the client sees them; tests give their own. */
export interface Timing {
  /** Milliseconds that only grow: a corrected clock must not end or prolong anything. */
  now(): number;
  /** Calls once after `ms`, for work in the background: it does not keep the process alive. Gives what cancels it. */
  after(ms: number, action: () => void): () => void;
  /** The same for what somebody waits for. */
  wait(ms: number, action: () => void): () => void;
  /** From 0 up to 1. */
  random(): number;
}

// A longer timer of Node fires at once.
const longestMs = 2 ** 31 - 1;

export const systemTiming: Timing = {
  now: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, Math.min(ms, longestMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
  wait(ms, action) {
    const timer = setTimeout(action, Math.min(ms, longestMs));
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

/** Waits; ends early, without an error, when `signal` is aborted. */
export function pause(timing: Timing, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timing.wait(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Doubles from `firstMs` up to `mostMs`, and spreads by half, so that many clients do not come back together. */
export function backOff(timing: Timing, attempt: number, firstMs: number, mostMs: number): number {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 20));
  return full * (0.5 + timing.random() / 2);
}
