import { createHash } from 'node:crypto';
import type { Actor, Audit, Authorize, Clock, Db, Ids, Jobs, LedgerEvent, Log, Random, Tx } from '#platform';

/** A clock that moves only when told to. */
export interface FixedClock extends Clock {
  advance(milliseconds: number): void;
  set(time: Date): void;
}

export function fixedClock(start: Date | string = '2026-01-02T03:04:05.000Z'): FixedClock {
  let now = new Date(start).getTime();
  return {
    now: () => new Date(now),
    advance: (milliseconds) => {
      now += milliseconds;
    },
    set: (time) => {
      now = time.getTime();
    },
  };
}

/** The same bytes for the same seed: SHA-256 in counter mode. For tests only. */
export function seededRandom(seed = 1): Random {
  let counter = 0;
  return {
    bytes: (sizeBytes) => {
      const parts: Buffer[] = [];
      for (let size = 0; size < sizeBytes; size += 32) {
        parts.push(createHash('sha256').update(`${seed}/${counter}`).digest());
        counter += 1;
      }
      return new Uint8Array(Buffer.concat(parts).subarray(0, sizeBytes));
    },
  };
}

/** `run_00000000-0000-7000-8000-000000000001` and so on: valid, sorted, the same in every test. */
export function countingIds(): Ids {
  let count = 0;
  return {
    next: (prefix) => {
      count += 1;
      return `${prefix}_00000000-0000-7000-8000-${count.toString(16).padStart(12, '0')}`;
    },
  };
}

const nothing = (): undefined => undefined;
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export interface RecordingAudit extends Audit {
  /** In the order they were recorded. */
  readonly events: readonly LedgerEvent[];
  clear(): void;
}

/**
 * Keeps every event it is given. It cannot see a rollback of the caller's transaction: a test about atomicity
 * uses the real ledger.
 */
export function recordingAudit(): RecordingAudit {
  const events: LedgerEvent[] = [];
  return {
    events,
    record: async (_tx, event) => {
      if (!/^[a-z_]+(\.[a-z_]+)+$/.test(event.type))
        throw new Error(`event type '${event.type}' is not a.b.c`);
      if (!event.resource.includes('/')) throw new Error(`resource '${event.resource}' is not kind/id`);
      // What cannot be written as JSON cannot be hashed by the ledger either.
      if (JSON.stringify(event) === undefined) throw new Error('event is not JSON');
      events.push(event);
    },
    clear: () => {
      events.length = 0;
    },
  };
}

export const allowAll: Authorize = async () => undefined;

/** A person with the given name; no policies, so a real `authorize` refuses it everything. */
export function person(name: string, more: Partial<Actor> = {}): Actor {
  return { kind: 'person', id: `psn_${name}`, name, policies: [], groups: [], ...more };
}

/** Runs `work` in a write transaction and gives its result; shortens tests of stores. */
export function inTx<T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.write((tx) => work(tx));
}

export interface ManualJobs extends Jobs {
  /** Wakes not yet delivered, oldest first, each `queue/id` once. */
  readonly waiting: readonly { readonly queue: string; readonly id: string; readonly notBefore?: Date }[];
  /** Delivers all wakes due at `now` (all when absent), and those they cause, until none is left. */
  deliver(now?: Date): Promise<void>;
  /** Runs the periodic task with this name once. */
  tick(name: string): Promise<void>;
}

/** Wakes that wait until the test delivers them. A wake in a transaction that rolls back is delivered too: handlers bear it. */
export function manualJobs(): ManualJobs {
  const handlers = new Map<string, (id: string) => Promise<void>>();
  const ticks = new Map<string, () => Promise<void>>();
  const waiting: { queue: string; id: string; notBefore?: Date }[] = [];
  return {
    waiting,
    wake: async (_tx, queue, id, options = {}) => {
      if (!handlers.has(queue)) throw new Error(`no handler for queue '${queue}'`);
      const same = waiting.some(
        (wake) => wake.queue === queue && wake.id === id && wake.notBefore === options.notBefore,
      );
      if (!same) waiting.push({ queue, id, ...options });
    },
    handle: (queue, handler) => {
      handlers.set(queue, handler);
    },
    every: (name, _everySeconds, tick) => {
      ticks.set(name, tick);
    },
    start: async () => undefined,
    stop: async () => undefined,
    deliver: async (now) => {
      for (let count = 0; ; count += 1) {
        if (count > 10_000) throw new Error('wakes cause wakes without end');
        const index = waiting.findIndex((wake) => now === undefined || (wake.notBefore ?? now) <= now);
        const [wake] = index < 0 ? [] : waiting.splice(index, 1);
        if (wake === undefined) return;
        await handlers.get(wake.queue)?.(wake.id);
      }
    },
    tick: async (name) => {
      const tick = ticks.get(name);
      if (tick === undefined) throw new Error(`no periodic task '${name}'`);
      await tick();
    },
  };
}
