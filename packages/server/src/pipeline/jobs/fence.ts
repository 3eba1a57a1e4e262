import { timingSafeEqual } from 'node:crypto';
import { Fault, sha256, utf8 } from '@sallyport/formats';
import type { Actor, Random, Tx } from '#platform';
import type { Run, StepRecord } from '../runs/run.ts';
import type { RunStore } from '../runs/store.ts';

/** What an agent proves with every message: which run, and that the lease is the one that holds now. */
export interface LeaseClaim {
  readonly agent: Actor;
  readonly runId: string;
  readonly token: string;
}

export function newLeaseToken(random: Random): string {
  return Buffer.from(random.bytes(32)).toString('base64url');
}

/** Leases are random and long: a plain hash at rest is enough. */
export const hashLease = (token: string): Uint8Array => sha256(utf8(token));

/**
 * The run, locked, if the claim holds; else refuses. The token is a fencing token: whoever lost the lease holds an old
 * one and can change nothing, however late its messages come. Locking the row puts all messages of a run in one line.
 */
export async function lockLeased(store: RunStore, tx: Tx, claim: LeaseClaim): Promise<Run> {
  const run = await lockClaimed(store, tx, claim);
  if (run.state === 'building') return run;
  if (run.state === 'cancelled') {
    throw new Fault('conflict', 'pipeline.run_cancelled', 'the run was cancelled', {
      hint: 'stop its step now and ask for another job',
    });
  }
  throw new Fault(
    'conflict',
    'pipeline.run_over',
    `expected a run that is building, got one that is ${run.state}`,
  );
}

/** The same for a run in whatever state, as long as nobody else got the lease since. */
export async function lockClaimed(
  store: RunStore,
  tx: Tx,
  { agent, runId, token }: LeaseClaim,
): Promise<Run> {
  const run = await store.lock(tx, runId);
  const hash = run?.lease?.hash;
  const isHolder = hash !== undefined && token.length <= 200 && timingSafeEqual(hash, hashLease(token));
  // One answer for a run that is not there, another agent's and a lost lease: a stranger learns nothing.
  if (run === undefined || !isHolder || run.agentId !== agent.id || run.state === 'queued') {
    throw new Fault(
      'conflict',
      'pipeline.lease_lost',
      'the lease of this job is not held by this agent any more',
      {
        hint: 'stop its step now and ask for another job',
      },
    );
  }
  return run;
}

export async function stepOf(store: RunStore, tx: Tx, run: Run, name: string): Promise<StepRecord> {
  const step = (await store.steps(tx, run.id, run.attempt)).find((each) => each.name === name);
  if (step !== undefined) return step;
  throw new Fault('not_found', 'pipeline.no_step', `expected a step of the run, got "${name.slice(0, 80)}"`);
}
