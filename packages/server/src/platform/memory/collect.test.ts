import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { collectWhenIdle } from './collect.ts';

/** Long enough in use to be old, and then in nobody's hands: what starting leaves. */
async function leaveGarbage(): Promise<void> {
  let held: unknown[] | undefined = [];
  for (let index = 0; index < 500_000; index += 1) held.push({ index, text: `${index}` });
  await sleep(10);
  held = undefined;
}

test('garbage is given back when the thread has been idle for some seconds, and not while it works', async () => {
  await leaveGarbage();
  const before = process.memoryUsage().heapTotal;
  let collected = false;
  const collecting = collectWhenIdle().then(() => {
    collected = true;
  });

  const busyUntil = performance.now() + 3500;
  while (performance.now() < busyUntil) {
    const restAt = performance.now() + 50;
    while (performance.now() < restAt);
    await sleep(50);
  }
  expect(collected).toBe(false);

  // It does not keep a process alive, so something else has to.
  const alive = setInterval(() => undefined, 1000);
  await collecting;
  clearInterval(alive);
  expect(process.memoryUsage().heapTotal).toBeLessThan(before - 20_000_000);
}, 30_000);
