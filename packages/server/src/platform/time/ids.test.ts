import { describe, expect, it } from 'vitest';
import { fixedClock, seededRandom } from '../../../test-support/fakes.ts';
import { systemClock, systemRandom } from './clock.ts';
import { createIds } from './ids.ts';

describe('ids', () => {
  it('are UUIDs of version 7 with a prefix', () => {
    const id = createIds({ clock: systemClock, random: systemRandom }).next('run');

    expect(id).toMatch(/^run_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Math.abs(Number.parseInt(id.slice(4, 12) + id.slice(13, 17), 16) - Date.now())).toBeLessThan(5000);
  });

  it('sort in the order they were made, within a millisecond and when the clock is set back', () => {
    const clock = fixedClock();
    const ids = createIds({ clock, random: seededRandom(3) });
    const made: string[] = [];

    for (let i = 0; i < 20_000; i += 1) {
      if (i === 12_000) clock.advance(-60_000);
      if (i === 15_000) clock.advance(120_000);
      made.push(ids.next('run'));
    }

    expect(made).toEqual([...made].sort());
    expect(new Set(made).size).toBe(made.length);
  });

  it.each(['', 'r', 'RUN', 'run_', 'waytoolongprefix'])('refuse the prefix %j', (prefix) => {
    const ids = createIds({ clock: systemClock, random: systemRandom });

    expect(() => ids.next(prefix)).toThrow(expect.objectContaining({ code: 'platform.id_prefix' }));
  });
});
