import type { JobGrant, JobReport } from '@sallyport/contract';
import { canonicalJson, Fault } from '@sallyport/formats';
import type { Actor, Tx } from '#platform';
import { systemActor } from '#platform';
import { builtQueue, type PipelineDeps } from '../ports.ts';
import type { Run } from '../runs/run.ts';
import type { RunStore } from '../runs/store.ts';
import { transition } from '../runs/transition.ts';
import { hashLease, type LeaseClaim, lockClaimed, lockLeased, newLeaseToken } from './fence.ts';
import { definitionOf, grantedDefinition, repeatRefusal, stepRows } from './plan.ts';

export interface JobVerbs {
  /** The run that waits longest, leased to this agent; undefined when none waits. */
  lease(agent: Actor): Promise<JobGrant | undefined>;
  /** Keeps the lease; throws `pipeline.lease_lost` or `pipeline.run_cancelled` when there is nothing left to do. */
  heartbeat(claim: LeaseClaim): Promise<{ leaseSeconds: number }>;
  /** Ends the build. The same report twice changes nothing the second time. */
  finish(claim: LeaseClaim, report: JobReport): Promise<void>;
  /** Gives a build back from the beginning: the agent is well, but this attempt cannot go on. */
  handBack(claim: LeaseClaim, reason: string): Promise<void>;
  cancel(actor: Actor, runId: string, reason: string): Promise<Run>;
  /** Gives the runs of vanished agents to others, or fails them with the reason. */
  reclaim(): Promise<number>;
  /** The same at once for all that this agent held: it says itself that it started again. */
  releaseOf(agent: Actor): Promise<number>;
}

interface Loss {
  readonly why: string;
  /** The agent itself says that it cannot go on. Silence is worse: it may mean that the build takes its agent down. */
  readonly isOwnWord: boolean;
}

/** An attempt that an agent gave up by its own word does not count, up to this many: a build must not go round for ever. */
const mostAttempts = 50;

export function createJobVerbs(
  deps: PipelineDeps & { readonly store: RunStore; readonly leaseSeconds: number },
): JobVerbs {
  const { db, clock, store, leaseSeconds } = deps;
  const leaseEnd = (): Date => new Date(clock.now().getTime() + leaseSeconds * 1000);

  /** Whatever a run's steps hold ends here, in the transaction that ends the attempt. */
  async function endGrants(tx: Tx, run: Run): Promise<void> {
    await deps.identity.endStepTokens(tx, run.id);
    for (const step of await store.steps(tx, run.id, run.attempt)) {
      if (step.grantedAt === undefined) continue;
      await deps.secrets.endGrants(tx, holderOf(run, step.name));
      if (step.status === 'granted')
        await store.replaceStep(tx, { ...step, status: 'lost', finishedAt: clock.now() });
    }
  }

  async function reclaimOne(runId: string, isLost: (run: Run) => boolean, loss: Loss): Promise<boolean> {
    return db.write(async (tx) => {
      const run = await store.lock(tx, runId);
      // Looked up before it was locked: a heartbeat or another replica may have come first.
      if (run === undefined || run.state !== 'building' || !isLost(run)) return false;
      await again(tx, run, loss);
      return true;
    });
  }

  async function again(tx: Tx, run: Run, { why, isOwnWord }: Loss): Promise<void> {
    const maxAttempts = isOwnWord ? Math.min(run.maxAttempts + 1, mostAttempts) : run.maxAttempts;
    const refusal = repeatRefusal({ ...run, maxAttempts }, await store.steps(tx, run.id, run.attempt));
    await endGrants(tx, run);
    await transition(deps, tx, run, {
      to: refusal === undefined ? 'queued' : 'failed',
      actor: systemActor,
      set: { maxAttempts },
      ...(refusal === undefined ? {} : { reason: refusal }),
      detail: { why, agent: run.agentId ?? '' },
    });
  }

  async function reclaimAll(
    runIds: readonly string[],
    isLost: (run: Run) => boolean,
    loss: Loss,
  ): Promise<number> {
    let count = 0;
    for (const runId of runIds) if (await reclaimOne(runId, isLost, loss)) count += 1;
    return count;
  }

  return {
    async lease(agent) {
      const token = newLeaseToken(deps.random);
      const run = await db.write(async (tx) => {
        const next = await store.lockNextQueued(tx);
        if (next === undefined) return undefined;
        const leased = await transition(deps, tx, next, {
          to: 'building',
          actor: agent,
          set: { attempt: next.attempt + 1, agentId: agent.id },
          lease: { hash: hashLease(token), expiresAt: leaseEnd() },
          detail: { agent: agent.id },
        });
        await store.insertSteps(tx, stepRows(leased));
        return leased;
      });
      return run && jobGrant(run, token, leaseSeconds);
    },

    heartbeat: (claim) =>
      db.write(async (tx) => {
        const run = await lockLeased(store, tx, claim);
        // Not audited: it changes no audited field, and a record each few seconds would bury the others.
        await store.replace(tx, { ...run, lease: { hash: hashLease(claim.token), expiresAt: leaseEnd() } });
        return { leaseSeconds };
      }),

    finish: (claim, report) =>
      db.write(async (tx) => {
        const run = await lockClaimed(store, tx, claim);
        if (run.report !== undefined && canonicalJson(run.report) === canonicalJson(report)) return;
        await lockLeased(store, tx, claim);
        await endGrants(tx, run);
        if (report.outcome === 'failed') {
          const reason = report.reason ?? 'the build failed';
          await transition(deps, tx, run, { to: 'failed', actor: claim.agent, set: { report }, reason });
          return;
        }
        if (report.image === undefined) {
          throw new Fault(
            'invalid',
            'pipeline.no_image',
            'expected the image of a build that succeeded, got none',
          );
        }
        const open = (await store.steps(tx, run.id, run.attempt)).find(
          ({ status }) => status !== 'succeeded' && status !== 'skipped',
        );
        // The agent's word is not enough: a build is good when each of its steps was seen to end well.
        if (open !== undefined) {
          const message = `expected every step to have succeeded, step "${open.name}" is ${open.status}`;
          throw new Fault('precondition', 'pipeline.steps_open', message);
        }
        const set = { report };
        await transition(deps, tx, run, {
          to: 'built',
          actor: claim.agent,
          set,
          detail: { image: report.image.digest },
        });
        await deps.jobs.wake(tx, builtQueue, run.id);
      }),

    handBack: (claim, reason) =>
      db.write(async (tx) => {
        const run = await lockLeased(store, tx, claim);
        await again(tx, run, { why: `handed back: ${reason}`, isOwnWord: true });
      }),

    cancel: (actor, runId, reason) =>
      db.write(async (tx) => {
        const run = await store.lock(tx, runId);
        if (run === undefined)
          throw new Fault('not_found', 'pipeline.no_run', `expected a run, got "${runId}"`);
        if (run.state === 'cancelled') return run;
        if (run.state === 'building') await endGrants(tx, run);
        return transition(deps, tx, run, { to: 'cancelled', actor, reason });
      }),

    async reclaim() {
      const now = clock.now();
      const expired = await db.read((tx) => store.listExpired(tx, now, 100));
      const isExpired = (run: Run): boolean => run.lease !== undefined && run.lease.expiresAt < now;
      return reclaimAll(expired, isExpired, { why: 'the lease expired', isOwnWord: false });
    },

    async releaseOf(agent) {
      const held = await db.read((tx) => store.listBuildingOf(tx, agent.id));
      return reclaimAll(held, (run) => run.agentId === agent.id, {
        why: 'the agent started again',
        isOwnWord: true,
      });
    },
  };
}

export const holderOf = (run: Run, step: string): string => `step:${run.id}/${run.attempt}/${step}`;

function jobGrant(run: Run, leaseToken: string, leaseSeconds: number): JobGrant {
  definitionOf(run);
  return {
    runId: run.id,
    attempt: run.attempt,
    leaseToken,
    leaseSeconds,
    trust: run.trust,
    project: run.project,
    service: run.service,
    repository: run.repository,
    commit: run.commit,
    ref: run.ref,
    commitEpochSeconds: run.facts.committer.epochSeconds,
    definition: grantedDefinition(run),
    sourceDigest: run.sourceDigest ?? '',
    ociRepository: `${run.project}/${run.service}`,
  };
}
