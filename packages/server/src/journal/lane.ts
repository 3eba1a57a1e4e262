import { Fault, isFault } from '@sallyport/formats';
import type { SteadyClock } from './clock.ts';
import type { Committer, Decided, Settle } from './commit.ts';
import type { State } from './state.ts';
import type { Turn } from './turn.ts';

/**
 * Decides on the state as it is in this turn. Called again when the state turned out to have moved, so it must do
 * nothing but compute and change records; `R` is released only when the audit lines are durable.
 */
export type Decide<R> = (turn: Turn) => Decided<R>;

export interface Lane {
  /**
   * Resolves after the audit of the answer, and with it what the decision changed, is durable. Rejects with what the
   * decision threw, with its changes undone, or with `journal.unavailable` when nothing could be made durable.
   */
  run<R>(decide: Decide<R>): Promise<R>;
  /** Runs `work` between two batches. */
  alone<R>(work: () => Promise<R>): Promise<R>;
  /** Refuses what comes from now on, lets what was taken finish. */
  close(): Promise<void>;
}

interface Waiting {
  readonly decide: Decide<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface LaneDeps {
  readonly state: State;
  readonly clock: SteadyClock;
  readonly committer: Committer;
  readonly openScope: (scope: string) => Promise<void>;
  readonly closedFault: () => Fault;
}

/** Bounds how long one batch keeps the event loop: at some 50 microseconds a decision, a few milliseconds. */
const maxBatch = 128;
/** A queue longer than this answers later than any client waits. */
const maxWaiting = 20_000;
/**
 * Batches that changed nothing and are being written while the next is decided: their answers, secrets among them, wait in
 * memory.
 */
const maxOverlapping = 16;
/** Of one decision; with `maxBatch` it bounds what one write carries. */
const maxAuditBytes = 4 * 1024 * 1024;

/**
 * One batch at a time: decide them all, make it durable with one write, release the answers. Decisions meanwhile wait,
 * so each sees the state that everything before it left, and nothing that might yet be undone. Only a batch that changed
 * nothing may still be on its way when the next is decided: there is nothing in it to see or to undo.
 */
export function createLane(deps: LaneDeps): Lane {
  const { state, clock, committer, openScope } = deps;
  let waiting: Waiting[] = [];
  let tasks: Array<() => Promise<void>> = [];
  let pumping: Promise<void> | undefined;
  let closed = false;
  const overlapping = new Set<Promise<void>>();

  async function pump(): Promise<void> {
    // Requests that were read in the same round of the event loop share a batch.
    await new Promise((next) => setImmediate(next));
    while (waiting.length > 0 || tasks.length > 0) {
      if (tasks.length > 0) await Promise.all(overlapping);
      const due = tasks;
      tasks = [];
      for (const task of due) await task();
      const queue = waiting;
      waiting = [];
      for (let from = 0; from < queue.length; from += maxBatch)
        await settle(queue.slice(from, from + maxBatch));
    }
    pumping = undefined;
  }

  async function settle(batch: readonly Waiting[]): Promise<void> {
    /** Scopes whose keys cannot be had: what touches one fails, and the rest of the batch does not. */
    const refused = new Map<string, unknown>();
    async function open(scope: string): Promise<void> {
      try {
        await openScope(scope);
      } catch (error) {
        refused.set(scope, error);
      }
    }
    try {
      const { outcomes, durable } = await committer.commit(() => decideAll(batch, refused), open);
      if (durable === undefined) release(batch, outcomes);
      else await overlap(batch, outcomes, durable);
    } catch (error) {
      state.backTo(0);
      refuse(batch, error);
    }
  }

  /** Returns when the next batch may be decided. */
  async function overlap(
    batch: readonly Waiting[],
    outcomes: Settle['outcomes'],
    durable: Promise<void>,
  ): Promise<void> {
    const answered = durable.then(
      () => release(batch, outcomes),
      (error: unknown) => refuse(batch, error),
    );
    const over = answered.finally(() => overlapping.delete(over));
    overlapping.add(over);
    if (overlapping.size >= maxOverlapping) await Promise.race(overlapping);
  }

  function release(batch: readonly Waiting[], outcomes: Settle['outcomes']): void {
    batch.forEach((each, index) => {
      const outcome = outcomes[index];
      if (outcome === undefined) each.reject(lost());
      else if ('error' in outcome) each.reject(outcome.error);
      else each.resolve(outcome.answer);
    });
  }

  function refuse(batch: readonly Waiting[], error: unknown): void {
    const fault = unavailable(error);
    for (const each of batch) each.reject(fault);
  }

  /** Undoes whatever an earlier look at this batch did, and decides everything from the state as it is now. */
  function decideAll(batch: readonly Waiting[], refused: ReadonlyMap<string, unknown>): Settle {
    state.backTo(0);
    const now = clock.now();
    const outcomes: Settle['outcomes'][number][] = [];
    const audit: Buffer[] = [];
    const missing = new Set<string>();
    for (const { decide } of batch) {
      const mark = state.mark();
      let touched: string | undefined;
      try {
        const decided = state.turn(now, decide, (scope) => {
          touched = scope;
        });
        // Whatever the decision made of the throw: it did not see what it asked for.
        if (touched !== undefined) throw new Error('a scope is missing');
        requireBounded(decided.audit);
        audit.push(...decided.audit);
        outcomes.push({ answer: decided.answer });
      } catch (error) {
        state.backTo(mark);
        if (touched !== undefined && !refused.has(touched)) missing.add(touched);
        outcomes.push({ error: touched === undefined ? error : refused.get(touched) });
      }
    }
    return { outcomes, ...state.pending(), audit, now, missing };
  }

  function begin(): void {
    pumping ??= pump();
  }

  return {
    run<R>(decide: Decide<R>) {
      return new Promise<R>((resolve, reject) => {
        if (closed) {
          reject(deps.closedFault());
          return;
        }
        if (waiting.length >= maxWaiting) {
          reject(queueFull());
          return;
        }
        // The queue holds decisions of every answer type; each is resolved with what its own decision gave.
        waiting.push({ decide, resolve: resolve as (answer: unknown) => void, reject });
        begin();
      });
    },
    alone<R>(work: () => Promise<R>) {
      return new Promise<R>((resolve, reject) => {
        if (closed) {
          reject(deps.closedFault());
          return;
        }
        tasks.push(() => work().then(resolve, reject));
        begin();
      });
    },
    async close() {
      closed = true;
      await pumping;
      await Promise.all(overlapping);
    },
  };
}

function requireBounded(audit: readonly Buffer[]): void {
  const sizeBytes = audit.reduce((sum, lines) => sum + lines.length, 0);
  if (sizeBytes <= maxAuditBytes) return;
  throw new Fault(
    'exhausted',
    'journal.audit_too_large',
    `expected at most ${maxAuditBytes} bytes of audit for one request, got ${sizeBytes}`,
    { hint: 'ask for less at once' },
  );
}

function queueFull(): Fault {
  return new Fault('exhausted', 'journal.queue_full', `expected at most ${maxWaiting} waiting requests`, {
    hint: 'try again later',
  });
}

function lost(): Fault {
  return new Fault('internal', 'journal.lost', 'a decision has no outcome');
}

function unavailable(cause: unknown): Fault {
  if (isFault(cause) && (cause.kind === 'integrity' || cause.code.startsWith('journal.'))) return cause;
  return new Fault(
    'unavailable',
    'journal.unavailable',
    'the audit record could not be written, so there is no answer',
    { hint: 'look at the disk and the database of the server; the request may be sent again', cause },
  );
}
