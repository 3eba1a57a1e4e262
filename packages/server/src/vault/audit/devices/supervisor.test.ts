import { closeSync, constants, openSync, readFileSync, readSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Fault } from '@sallyport/formats';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixedClock, silentLog } from '../../../../test-support/fakes.ts';
import type { Device } from './device.ts';
import { openFileDevice } from './file.ts';
import {
  eventually,
  line,
  makePipe,
  numbersIn,
  scratchDirectory,
  startReceiver,
} from './receiver.fixture.ts';
import { createSocketDevice } from './socket.ts';
import { createSupervisor, type SupervisorOptions } from './supervisor.ts';

const clock = fixedClock('2026-11-20T10:00:00.000Z');
const options: SupervisorOptions = {
  name: 'extra',
  required: false,
  maxQueueBytes: 10_000,
  maxBatchBytes: 1000,
  deadlineMs: 200,
  retryMs: 2,
  maxRetryMs: 10,
};

function supervise(device: Device, changes: Partial<SupervisorOptions> = {}) {
  return createSupervisor({ ...options, ...changes }, { device, clock, log: silentLog });
}

type Outcome = 'ok' | 'fail' | 'fail but written' | 'refuse' | 'hang';

/** A device that keeps its contract, does as it is told, and breaks the test if two calls meet. */
function scripted(first: Outcome = 'ok') {
  const written: string[] = [];
  let next = first;
  let inside = false;
  let calls = 0;
  let release: () => void = () => undefined;
  const device: Device = {
    async write(lines) {
      if (inside) throw new Error('two calls of a device at once');
      inside = true;
      calls++;
      try {
        const outcome = next;
        if (outcome === 'hang') {
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        } else {
          await pause(1);
        }
        if (outcome !== 'fail' && outcome !== 'refuse') written.push(...lines.map(String));
        if (outcome === 'refuse') throw new Fault('invalid', 'vault.audit_refused', 'never');
        if (outcome.startsWith('fail')) throw new Fault('unavailable', 'vault.audit_write', 'not now');
      } finally {
        inside = false;
      }
    },
    async reopen() {
      if (inside) throw new Error('reopened during a write');
    },
    close: async () => undefined,
  };
  return {
    device,
    written,
    calls: () => calls,
    next: (outcome: Outcome) => {
      next = outcome;
    },
    release: () => release(),
  };
}

const gapsIn = (lines: readonly string[]) =>
  lines.map((each) => JSON.parse(each)).filter(({ type }) => type === 'gap');

describe('a device that is not required', () => {
  it('gets the lines in order, in batches, while record resolves at once', async () => {
    const { device, written, calls } = scripted();
    const supervised = supervise(device);

    for (let n = 0; n < 100; n++) await supervised.record([line(n)]);
    await supervised.close();

    expect(numbersIn(written.join(''))).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(calls()).toBeLessThan(20);
    expect(supervised.status()).toEqual({ healthy: true, queuedBytes: 0, dropped: 0 });
  });

  it('is tried again after failures, and loses nothing that found room', async () => {
    const { device, written, next } = scripted('fail');
    const supervised = supervise(device);

    await supervised.record([line(1), line(2)]);
    await eventually(() => !supervised.status().healthy);
    await supervised.record([line(3)]);
    next('fail but written');
    await eventually(() => written.length > 0);
    next('ok');
    await eventually(() => supervised.status().healthy);
    await supervised.close();

    expect(new Set(numbersIn(written.join('')))).toEqual(new Set([1, 2, 3]));
    expect(numbersIn(written.join('')).slice(-1)).toEqual([3]);
  });

  it('tells a gap in its place when it takes lines again', async () => {
    const { device, written, next, release } = scripted('hang');
    const supervised = supervise(device, { maxQueueBytes: 4 * line(1).length });

    for (let n = 1; n <= 9; n++) await supervised.record([line(n)]);
    next('ok');
    release();
    await eventually(() => written.length === 5);
    await supervised.record([line(10)]);
    await supervised.close();

    expect(JSON.parse(written[4] ?? '')).toEqual({
      time: '2026-11-20T10:00:00.000Z',
      type: 'gap',
      device: 'extra',
      dropped: 5,
      since: '2026-11-20T10:00:00.000Z',
    });
    expect(numbersIn(written.filter((_, i) => i !== 4).join(''))).toEqual([1, 2, 3, 4, 10]);
    expect(supervised.status().dropped).toBe(5);
  });

  it('drops what the device will never take, without turning in circles', async () => {
    const { device, written, next, calls } = scripted('refuse');
    const supervised = supervise(device);

    await supervised.record([line(1), line(2)]);
    await eventually(() => supervised.status().dropped === 2);
    await pause(50);
    expect(calls()).toBe(1);
    next('ok');
    await supervised.record([line(3)]);
    await supervised.close();

    expect(gapsIn(written)).toMatchObject([{ dropped: 2 }]);
    expect(written.at(-1)).toBe(`${line(3)}`);
  });

  it('accounts for every line, whatever the device does: written, or told in a gap', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ lines: fc.integer({ min: 1, max: 6 }), size: fc.nat(300) }) },
      { weight: 1, arbitrary: fc.constantFrom<Outcome>('ok', 'fail', 'refuse') },
      { weight: 1, arbitrary: fc.constant('wait' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { device, written, next } = scripted();
        const supervised = supervise(device, { maxQueueBytes: 1500, maxBatchBytes: 700 });
        let sent = 0;
        for (const each of steps) {
          if (each === 'wait') await pause(3);
          else if (typeof each === 'string') next(each);
          else await supervised.record(Array.from({ length: each.lines }, () => line(sent++, each.size)));
        }
        next('ok');
        // The last line finds room once the queue is empty, and brings the last gap along.
        await eventually(() => supervised.status().queuedBytes === 0);
        await supervised.record([line(sent++)]);
        await supervised.close();

        const numbers = numbersIn(written.filter((text) => !text.includes('"gap"')).join(''));
        const told = gapsIn(written).reduce((sum, { dropped }) => sum + dropped, 0);
        expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
        expect(numbers.length + told).toBe(sent);
        expect(supervised.status().dropped).toBe(told);
      }),
      { numRuns: 60 },
    );
  });

  it('never holds an answer: a full pipe, and a socket whose peer does not read', async () => {
    const directory = await scratchDirectory();
    const path = join(directory.path, 'pipe');
    makePipe(path);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const pipe = await openFileDevice({
      path,
      within: [directory.path],
      mode: 0,
      sync: false,
      timeoutMs: 100,
    });
    const deaf = await startReceiver(0, true);
    const socket = createSocketDevice({ kind: 'stream', to: { host: '127.0.0.1', port: deaf.port } }, 100);

    for (const device of [pipe, socket]) {
      const supervised = supervise(device, {
        maxQueueBytes: 8 << 20,
        maxBatchBytes: 1 << 20,
        deadlineMs: 300,
      });
      let slowest = 0;
      for (let n = 0; n < 200; n++) {
        const started = performance.now();
        await supervised.record([line(n, 100_000)]);
        slowest = Math.max(slowest, performance.now() - started);
        if (n % 20 === 0) await pause(5);
      }
      await eventually(() => !supervised.status().healthy);

      expect(slowest).toBeLessThan(50);
      expect(supervised.status().dropped).toBeGreaterThan(50);
      expect(supervised.status().queuedBytes).toBeLessThanOrEqual(8 << 20);
      const started = performance.now();
      await supervised.close();
      expect(performance.now() - started).toBeLessThan(2000);
    }
    closeSync(reader);
    await deaf.close();
    await directory.remove();
  });

  it('goes on through a pipe that is read late, and tells what is missing', async () => {
    const directory = await scratchDirectory();
    const path = join(directory.path, 'pipe');
    makePipe(path);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const device = await openFileDevice({
      path,
      within: [directory.path],
      mode: 0,
      sync: false,
      timeoutMs: 20,
    });
    const supervised = supervise(device, { maxQueueBytes: 200_000, maxBatchBytes: 100_000 });

    for (let n = 0; n < 100; n++) await supervised.record([line(n, 5000)]);
    let text = '';
    const chunk = Buffer.alloc(1 << 16);
    await eventually(() => {
      try {
        text += chunk.toString('latin1', 0, readSync(reader, chunk));
      } catch {
        // EAGAIN: nothing there yet
      }
      return text.includes('"type":"gap"') && text.endsWith('\n');
    });
    await supervised.close();
    closeSync(reader);
    await directory.remove();

    const whole = text.split('\n').filter((each) => each.endsWith('"}') && each.startsWith('{'));
    const seen = new Set(whole.map((each) => JSON.parse(each).n).filter((n) => n !== undefined));
    const told = gapsIn(text.split('\n').filter((each) => each.includes('"gap"')));
    expect(seen.size + told.reduce((sum, { dropped }) => sum + dropped, 0)).toBe(100);
  });
});

describe('a required device', () => {
  it('has the lines when record resolves', async () => {
    const { device, written } = scripted();
    const supervised = supervise(device, { required: true });

    await Promise.all(Array.from({ length: 20 }, (_, n) => supervised.record([line(n)])));

    expect(numbersIn(written.join(''))).toHaveLength(20);
    await supervised.close();
    await expect(supervised.record([line(1)])).rejects.toMatchObject({ code: 'vault.audit_required' });
  });

  it('refuses while the device fails, tries each time, and tells the gap afterwards', async () => {
    const { device, written, next, calls } = scripted('fail');
    const supervised = supervise(device, { required: true });

    for (let n = 0; n < 3; n++) {
      await expect(supervised.record([line(n)])).rejects.toMatchObject({
        kind: 'unavailable',
        code: 'vault.audit_required',
      });
    }
    await pause(30);
    expect(calls()).toBe(3);
    expect(supervised.status()).toMatchObject({ healthy: false, dropped: 3 });
    next('ok');
    await supervised.record([line(3)]);

    expect(supervised.status().healthy).toBe(true);
    expect(gapsIn(written)).toMatchObject([{ dropped: 3 }]);
    await supervised.close();
  });

  it('refuses at the deadline while the device hangs, at once when too much waits, and recovers', async () => {
    const { device, next, release } = scripted('hang');
    const supervised = supervise(device, {
      required: true,
      deadlineMs: 60,
      maxQueueBytes: 3 * line(1).length,
    });

    const started = performance.now();
    const waiting = [1, 2, 3].map((n) => supervised.record([line(n)]));
    const refusals = Promise.all(
      waiting.map((each) => expect(each).rejects.toMatchObject({ code: 'vault.audit_required' })),
    );
    await expect(supervised.record([line(4)])).rejects.toMatchObject({ code: 'vault.audit_required' });
    expect(performance.now() - started).toBeLessThan(50);
    await refusals;
    expect(supervised.status().healthy).toBe(false);
    next('ok');
    release();
    await eventually(() => supervised.status().healthy && supervised.status().queuedBytes === 0);
    await supervised.record([line(5)]);
    await supervised.close();
  });

  it('refuses with a full disk or a lost receiver, and not before', async () => {
    const receiver = await startReceiver();
    const device = createSocketDevice(
      { kind: 'stream', to: { host: '127.0.0.1', port: receiver.port } },
      100,
    );
    const supervised = supervise(device, { required: true });

    await supervised.record([line(1)]);
    await receiver.close();
    await pause(50);

    await expect(supervised.record([line(2)])).rejects.toMatchObject({ code: 'vault.audit_required' });
    await supervised.close();
  });
});

describe('reopening', () => {
  it('happens between writes, under load, and every line is in one of the files', async () => {
    const directory = await scratchDirectory();
    const path = join(directory.path, 'log');
    const device = await openFileDevice({
      path,
      within: [directory.path],
      mode: 0o600,
      sync: false,
      timeoutMs: 100,
    });
    const supervised = supervise(device, { required: true, maxQueueBytes: 1 << 20 });

    for (let rotation = 0; rotation < 5; rotation++) {
      const records = Array.from({ length: 20 }, (_, n) => supervised.record([line(rotation * 20 + n)]));
      renameSync(path, `${path}.${rotation}`);
      await supervised.reopen();
      await Promise.all(records);
    }
    await supervised.close();

    const files = [0, 1, 2, 3, 4].map((n) => `${path}.${n}`).concat(path);
    const numbers = files.flatMap((file) => numbersIn(readFileSync(file, 'latin1')));
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, n) => n));
    await directory.remove();
  });
});
