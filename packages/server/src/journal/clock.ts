import type { Clock } from '#platform';

/**
 * Time for leases. It never runs backwards, not even over a restart or on another replica, and it goes on at the pace
 * of the machine's steady clock when somebody sets the wall clock back: a token must not live longer for that
 * (leases fail closed). A wall clock set forward is followed, and ends leases early.
 */
export interface SteadyClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Learns a moment that has surely passed: one that is stored with the state. */
  atLeast(milliseconds: number): void;
}

export function createSteadyClock(wall: Clock, steadyMilliseconds: () => number): SteadyClock {
  let base = wall.now().getTime();
  let since = steadyMilliseconds();

  function set(milliseconds: number): void {
    base = milliseconds;
    since = steadyMilliseconds();
  }

  function now(): number {
    const steady = base + (steadyMilliseconds() - since);
    const told = wall.now().getTime();
    if (told > steady) set(told);
    return Math.floor(Math.max(told, steady));
  }

  return {
    now,
    atLeast(milliseconds) {
      if (milliseconds > now()) set(milliseconds);
    },
  };
}
