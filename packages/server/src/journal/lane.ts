import { Fault } from '@sallyport/formats';
import type { Committer, Decided, Settle } from './commit.ts';
import type { SteadyClock } from './clock.ts';
import { ScopeNotOpen, type State, type Turn } from './turn.ts';

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
 * One batch at a time: decide them all, make it durable with one write, release the answers. Decisions meanwhile wait,
 * so each sees the state that everything before it left, and nothing that might yet be undone.
 */
export function createLane(deps: LaneDeps): Lane {
  const { state, clock, committer, openScope } = deps;
  let waiting: Waiting[] = [];
  let pumping: Promise<void> | undefined;
  let closed = false;

  async function pump(): Promise<void> {
    // Requests that were read in the same round of the event loop share a batch.
    await new Promise((next) => setImmediate(next));
    while (waiting.length > 0) {
      const batch = waiting.slice(0, maxBatch);
      waiting = waiting.length > maxBatch ? waiting.slice(maxBatch) : [];
      await settle(batch);
    }
    pumping = undefined;
  }

  async function settle(batch: readonly Waiting[]): Promise<void> {
    try {
      const settled = await committer.commit((scopeMissing) => decideAll(batch, scopeMissing), openScope);
      batch.forEach((each, index) => {
        const outcome = settled.outcomes[index];
        if (outcome === undefined) each.reject(lost());
        else if ('error' in outcome) each.reject(outcome.error);
        else each.resolve(outcome.answer);
      });
    } catch (error) {
      state.backTo(0);
      const fault = unavailable(error);
      for (const each of batch) each.reject(fault);
    }
  }

  /** Undoes whatever an earlier look at this batch did, and decides everything from the state as it is now. */
  function decideAll(batch: readonly Waiting[], scopeMissing: (scope: string) => void): Settle {
    state.backTo(0);
    const now = clock.now();
    const outcomes: Settle['outcomes'][number][] = [];
    const audit: Buffer[] = [];
    for (const { decide } of batch) {
      const mark = state.mark();
      try {
        const { answer, audit: lines } = decide(state.turn(now));
        audit.push(...lines);
        outcomes.push({ answer });
      } catch (error) {
        state.backTo(mark);
        if (error instanceof ScopeNotOpen) scopeMissing(error.scope);
        outcomes.push({ error });
      }
    }
    return { outcomes, changes: state.changes(), audit, now };
  }

  return {
    run<R>(decide: Decide<R>) {
      return new Promise<R>((resolve, reject) => {
        if (closed) {
          reject(deps.closedFault());
          return;
        }
        if (waiting.length >= maxWaiting) {
          reject(
            new Fault('exhausted', 'journal.queue_full', `expected at most ${maxWaiting} waiting requests`, {
              hint: 'try again later',
            }),
          );
          return;
        }
        // The queue holds decisions of every answer type; each is resolved with what its own decision gave.
        waiting.push({ decide, resolve: resolve as (answer: unknown) => void, reject });
        pumping ??= pump();
      });
    },
    async close() {
      closed = true;
      await pumping;
    },
  };
}

function lost(): Fault {
  return new Fault('internal', 'journal.lost', 'a decision has no outcome');
}

function unavailable(cause: unknown): Fault {
  if (cause instanceof Fault && cause.kind === 'integrity') return cause;
  return new Fault('unavailable', 'journal.unavailable', 'the audit record could not be written, so there is no answer', {
    hint: 'look at the disk and the database of the server; the request may be sent again',
    cause,
  });
}
