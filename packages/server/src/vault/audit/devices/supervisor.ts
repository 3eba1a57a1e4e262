import { Fault, isFault } from '@sallyport/formats';
import type { Clock, Log } from '#platform';
import { type Device, deviceFailed } from './device.ts';
import { createLineQueue } from './line-queue.ts';

export interface SupervisorOptions {
  /** The path under which the device is enabled; for people. */
  readonly name: string;
  /** Whether an answer waits for this device and is refused when it fails. */
  readonly required: boolean;
  /** What may wait for the device; more is dropped, and counted. */
  readonly maxQueueBytes: number;
  /** What is given to the device at once. */
  readonly maxBatchBytes: number;
  /** How long a required device has from `record` to its lines; also how long `close` waits. */
  readonly deadlineMs: number;
  /** The pause after a failure of a device that is not required; it doubles up to `maxRetryMs`. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
}

export interface SupervisorDeps {
  readonly device: Device;
  readonly clock: Clock;
  readonly log: Log;
}

export interface DeviceStatus {
  readonly healthy: boolean;
  readonly queuedBytes: number;
  /** Lines this device did not get, since the start. */
  readonly dropped: number;
}

export interface SupervisedDevice {
  /**
   * Takes lines for the device. For a required one it resolves when the device has them and rejects with
   * `unavailable` when it fails or is too slow: the answer must not leave. For any other it resolves at once,
   * whatever the device does; lines that find no room are dropped, and a line `{"type":"gap","dropped":n,…}` stands
   * where they would have stood, once the device takes lines again. Order is kept; a retried line may appear twice.
   */
  record(lines: readonly Buffer[]): Promise<void>;
  /** Between two writes, so it waits for one that hangs. */
  reopen(): Promise<void>;
  status(): DeviceStatus;
  /** Writes what waits, for `deadlineMs` at most, and closes the device. */
  close(): Promise<void>;
}

/** Stands between the answers and one device: a device that blocks or fails costs memory up to a bound, never time. */
export function createSupervisor(options: SupervisorOptions, deps: SupervisorDeps): SupervisedDevice {
  const { device, log } = deps;
  const queue = createLineQueue(options.name, options.maxQueueBytes, deps.clock);
  const done = Promise.resolve();
  let healthy = true;
  let closed = false;
  /** One call of the device at a time, in order. */
  let busy: Promise<void> = done;
  let pumping: Promise<void> | undefined;
  let wake = new AbortController();

  function exclusive(work: () => Promise<void>): Promise<void> {
    const result = busy.then(work);
    busy = result.catch(() => undefined);
    return result;
  }

  function setHealthy(now: boolean, error?: unknown): void {
    if (healthy === now) return;
    healthy = now;
    if (now) log.info({ device: options.name }, 'an audit device takes lines again');
    else log.error({ device: options.name, err: error }, 'an audit device does not take lines');
  }

  async function pump(): Promise<void> {
    let pause = options.retryMs;
    for (let batch = queue.take(options.maxBatchBytes, healthy); batch !== undefined; ) {
      const { lines } = batch;
      const slow = setTimeout(
        () => setHealthy(false, deviceFailed('timeout', `expected a write within ${options.deadlineMs} ms`)),
        options.deadlineMs,
      );
      try {
        await exclusive(() => device.write(lines));
        setHealthy(true);
        pause = options.retryMs;
        batch.written();
      } catch (error) {
        setHealthy(false, error);
        const permanent = isFault(error) && error.kind === 'invalid';
        if (options.required || permanent || closed) {
          batch.lost(error);
        } else {
          batch.putBack();
          await pauseFor(pause);
          pause = Math.min(pause * 2, options.maxRetryMs);
        }
      } finally {
        clearTimeout(slow);
      }
      batch = queue.take(options.maxBatchBytes, healthy);
    }
  }

  async function pauseFor(milliseconds: number): Promise<void> {
    const { signal } = wake;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }

  async function inTime(work: Promise<void>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, options.deadlineMs);
    });
    await Promise.race([work, late]).finally(() => clearTimeout(timer));
  }

  function start(): void {
    pumping ??= pump().finally(() => {
      pumping = undefined;
      // Lines may have come between the last look into the queue and here.
      if (queue.waiting() && !closed) start();
    });
  }

  function required(lines: readonly Buffer[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        // Not necessarily lost: the device may still come to write it. The answer is refused either way.
        reject(notRecorded(options.name, undefined));
      }, options.deadlineMs);
      const taken = queue.put(lines, (error) => {
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(notRecorded(options.name, error));
      });
      if (taken) return start();
      clearTimeout(timer);
      reject(notRecorded(options.name, undefined));
    });
  }

  return {
    record(lines) {
      if (closed) {
        return options.required ? Promise.reject(notRecorded(options.name, undefined)) : done;
      }
      if (options.required) return required(lines);
      if (queue.put(lines)) start();
      return done;
    },
    async reopen() {
      await exclusive(() => device.reopen());
      wake.abort();
      wake = new AbortController();
    },
    status: () => ({ healthy, queuedBytes: queue.bytes(), dropped: queue.dropped() }),
    async close() {
      closed = true;
      wake.abort();
      await inTime(pumping ?? done);
      if (queue.dropped() > 0 || queue.waiting()) {
        log.warn(
          { device: options.name, dropped: queue.dropped(), queuedBytes: queue.bytes() },
          'an audit device lacks lines',
        );
      }
      await inTime(device.close());
    },
  };
}

function notRecorded(name: string, cause: unknown): Fault {
  return new Fault(
    'unavailable',
    'vault.audit_required',
    `expected the required audit device "${name}" to record this request, got no confirmation`,
    {
      hint: 'look into the log of the server for what the device lacks',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
