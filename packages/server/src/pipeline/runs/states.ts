import { Fault } from '@sallyport/formats';
import type { Trust } from '../triggers/match.ts';

/**
 * The life of a run. `queued` to `built` belongs to the pipeline; `examined` to `succeeded` is recorded here by the
 * outer journey, which knows what those mean.
 */
export const runStates = [
  'queued',
  'building',
  'built',
  'examined',
  'attested',
  'released',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type RunState = (typeof runStates)[number];

/** Which state may follow which. `building` to `queued` is a lost lease: another attempt. */
const following: Readonly<Record<RunState, readonly RunState[]>> = {
  queued: ['building', 'failed', 'cancelled'],
  building: ['queued', 'built', 'failed', 'cancelled'],
  built: ['examined', 'failed', 'cancelled'],
  examined: ['attested', 'failed'],
  attested: ['released', 'failed'],
  released: ['succeeded', 'failed'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

/** An untrusted run never becomes a release; it ends when nothing more is to be learned from it. */
const untrustedEnds: readonly RunState[] = ['built', 'examined', 'attested'];

export function isLegal(from: RunState, to: RunState, trust: Trust): boolean {
  if (trust === 'untrusted') {
    if (to === 'released') return false;
    if (to === 'succeeded' && untrustedEnds.includes(from)) return true;
  }
  return following[from].includes(to);
}

export function assertLegal(from: RunState, to: RunState, trust: Trust): void {
  if (isLegal(from, to, trust)) return;
  const next = runStates.filter((state) => isLegal(from, state, trust));
  const expected =
    next.length === 0 ? `no change of a run that ${from}` : `one of ${next.join(', ')} after ${from}`;
  throw new Fault('conflict', 'pipeline.illegal_transition', `expected ${expected}, got ${to}`);
}

export const isTerminal = (state: RunState): boolean => following[state].length === 0;

export function toRunState(text: string): RunState {
  const state = runStates.find((known) => known === text);
  if (state !== undefined) return state;
  throw new Fault(
    'integrity',
    'pipeline.bad_row',
    `expected the state of a run in the database, got "${text}"`,
  );
}
