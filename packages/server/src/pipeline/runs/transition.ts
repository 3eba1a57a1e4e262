import type { Actor, Audit, Clock, Json, Tx } from '#platform';
import { type Run, runResource, runState } from './run.ts';
import { assertLegal, type RunState } from './states.ts';
import type { RunStore } from './store.ts';

export interface Change {
  readonly to: RunState;
  readonly actor: Pick<Actor, 'kind' | 'id'>;
  /** What else changes with the state. */
  readonly set?: Partial<Pick<Run, 'attempt' | 'maxAttempts' | 'agentId' | 'report'>>;
  readonly lease?: Run['lease'];
  readonly reason?: string;
  readonly detail?: { readonly [key: string]: Json };
}

/**
 * The only way a run changes its state: legal or refused, and the new state and its event in one transaction. The
 * caller holds the row's lock. Leaving `building` ends the lease; the token's hash stays, so that its holder is told
 * what became of the run instead of that it is a stranger.
 */
export async function transition(
  { audit, clock, store }: { readonly audit: Audit; readonly clock: Clock; readonly store: RunStore },
  tx: Tx,
  run: Run,
  change: Change,
): Promise<Run> {
  assertLegal(run.state, change.to, run.trust);
  const { lease = run.lease, reason = run.reason } = change;
  const changed: Run = {
    ...run,
    ...change.set,
    state: change.to,
    updatedAt: clock.now(),
    ...(lease === undefined ? {} : { lease }),
    ...(reason === undefined ? {} : { reason }),
  };
  await store.replace(tx, changed);
  await audit.record(tx, {
    type: `pipeline.run.${change.to}`,
    actor: { kind: change.actor.kind, id: change.actor.id },
    resource: runResource(changed),
    state: runState(changed),
    detail: { from: run.state, attempt: changed.attempt, ...change.detail },
  });
  return changed;
}
