import { describe, expect, it } from 'vitest';
import { fixedClock } from '../../test-support/fakes.ts';
import { createSteadyClock } from './clock.ts';

function world(start = 1_000_000) {
  const wall = fixedClock(new Date(start));
  let steady = 0;
  return {
    wall,
    clock: createSteadyClock(wall, () => steady),
    /** Time passes on both clocks. */
    pass(milliseconds: number): void {
      steady += milliseconds;
      wall.advance(milliseconds);
    },
    passSteadyOnly(milliseconds: number): void {
      steady += milliseconds;
    },
  };
}

describe('the time of leases', () => {
  it('is the time of the wall clock while nobody sets it', () => {
    const { clock, pass } = world();
    pass(1234);

    expect(clock.now()).toBe(1_001_234);
  });

  it('goes on at the same pace when the wall clock is set back', () => {
    const { clock, wall, pass } = world();
    pass(1000);
    clock.now();
    wall.set(new Date(500));
    pass(250);

    expect(clock.now()).toBe(1_001_250);
    pass(250);
    expect(clock.now()).toBe(1_001_500);
  });

  it('follows the wall clock when it is set forward, and does not come back from there', () => {
    const { clock, wall, pass } = world();
    wall.set(new Date(5_000_000));
    expect(clock.now()).toBe(5_000_000);
    wall.set(new Date(1_000_500));
    pass(100);

    expect(clock.now()).toBe(5_000_100);
  });

  it('is never before a moment that is stored: after a restart, or by a replica whose clock is ahead', () => {
    const { clock, pass } = world();
    clock.atLeast(1_090_000);
    expect(clock.now()).toBe(1_090_000);
    pass(10);
    expect(clock.now()).toBe(1_090_010);
    clock.atLeast(1_000_000);

    expect(clock.now()).toBe(1_090_010);
  });

  it('never runs backwards, and is whole milliseconds', () => {
    const { clock, passSteadyOnly, wall } = world();
    let last = clock.now();
    for (let step = 0; step < 1000; step += 1) {
      passSteadyOnly(0.37);
      if (step % 7 === 0) wall.advance(step % 2 === 0 ? 5 : -9);
      const now = clock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      expect(Number.isInteger(now)).toBe(true);
      last = now;
    }
  });
});
