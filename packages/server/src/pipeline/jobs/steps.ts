import { parseDuration, type StepGrant, type StepReport, toolsStep } from '@sallyport/contract';
import { canonicalJson, Fault, SecretBytes, toBase64 } from '@sallyport/formats';
import type { Tx } from '#platform';
import { buildEnvironment, type GrantedSecret, type PinnedSecrets } from '#secrets';
import type { LogKey, Logs } from '../logs/logs.ts';
import type { PipelineDeps } from '../ports.ts';
import { type Run, runResource, type StepRecord } from '../runs/run.ts';
import type { RunStore } from '../runs/store.ts';
import { type LeaseClaim, lockLeased, stepOf } from './fence.ts';
import { holderOf } from './jobs.ts';
import { checkOrder, definitionOf, plannedSteps, wantsOf } from './plan.ts';

export interface StepVerbs {
  /** What one step holds, given once per attempt and step; ends with the step. */
  grant(claim: LeaseClaim, step: string): Promise<StepGrant>;
  /** Appends to the step's log; gives the offset to go on from. */
  appendLog(claim: LeaseClaim, step: string, offset: number, bytes: Uint8Array): Promise<number>;
  /** Ends the step and all it held. The same report twice changes nothing the second time. */
  finish(claim: LeaseClaim, step: string, report: StepReport): Promise<void>;
}

/** After the time of the step itself: starting and stopping a sandbox, and telling us. */
const graceSeconds = 60;

export function createStepVerbs(
  deps: PipelineDeps & { readonly store: RunStore; readonly logs: Logs },
): StepVerbs {
  const { db, clock, store, logs } = deps;
  const logKey = (run: Run, step: string): LogKey => ({ runId: run.id, attempt: run.attempt, step });

  /** The step that may be granted now, or why not. */
  async function grantable(tx: Tx, claim: LeaseClaim, name: string) {
    const run = await lockLeased(store, tx, claim);
    const record = await stepOf(store, tx, run, name);
    if (record.status !== 'pending') throw alreadyGranted(record);
    checkOrder(await store.steps(tx, run.id, run.attempt), record);
    const step = plannedSteps(definitionOf(run)).find((each) => each.step.name === name)?.step;
    if (step === undefined)
      throw new Fault('internal', 'pipeline.no_step', `expected step "${name}" in its definition`);
    return { run, record, step, wants: run.trust === 'trusted' ? wantsOf(step) : [] };
  }

  /** Which versions the step will see. Before the transaction that grants them, which decides on the step again. */
  async function pin(claim: LeaseClaim, name: string): Promise<PinnedSecrets | undefined> {
    const { run, wants } = await db.write((tx) => grantable(tx, claim, name));
    if (wants.length === 0) return undefined;
    const holder = holderOf(run, name);
    return await deps.secrets.pin({ holder, project: run.project, environment: buildEnvironment, wants });
  }

  /** Committed before any value is read: from here on this attempt of this step may have seen them. */
  async function issue(claim: LeaseClaim, name: string) {
    const pinned = await pin(claim, name);
    return db.write(async (tx) => {
      const { run, record, step, wants } = await grantable(tx, claim, name);
      const ttlSeconds = parseDuration(step.timeout ?? '15m') + graceSeconds;
      const now = clock.now();
      const expiresAt = new Date(now.getTime() + ttlSeconds * 1000);
      // Stated twice on purpose: `stepRows` skips steps with secrets, and were that to fail, nothing is given here.
      const isTrusted = run.trust === 'trusted';
      const identityToken = isTrusted
        ? await deps.identity.issueStepToken(tx, {
            runId: run.id,
            step: name,
            project: run.project,
            service: run.service,
            trust: run.trust,
            commit: run.commit,
            ref: run.ref,
            audience: deps.audience,
            ttlSeconds,
          })
        : undefined;
      const holder = holderOf(run, name);
      // A run and its definition are frozen: what was pinned is what is wanted here.
      const grantId =
        pinned === undefined || wants.length === 0
          ? undefined
          : await deps.secrets.grant(tx, pinned, expiresAt);
      await store.replaceStep(tx, { ...record, status: 'granted', grantedAt: now });
      await deps.audit.record(tx, {
        type: 'pipeline.step.granted',
        actor: { kind: claim.agent.kind, id: claim.agent.id },
        resource: runResource(run),
        detail: {
          step: name,
          attempt: run.attempt,
          identity: isTrusted,
          secrets: wants.map(({ ref }) => ref),
          egress: [...(step.egress ?? [])],
        },
      });
      return { run, holder, grantId, identityToken, expiresAt, egress: step.egress ?? [] };
    });
  }

  /** Durable before a value leaves: what a step saw must be known if one of the values leaks. */
  async function noteSeen(
    claim: LeaseClaim,
    name: string,
    redeemed: readonly GrantedSecret[],
  ): Promise<void> {
    const seen = redeemed.map((each) => ({ name: each.name, ref: each.path, version: each.version }));
    await db.write(async (tx) => {
      const run = await lockLeased(store, tx, claim);
      await store.replaceStep(tx, { ...(await stepOf(store, tx, run, name)), secrets: seen });
    });
  }

  return {
    async grant(claim, name) {
      const issued = await issue(claim, name);
      const { run, holder, grantId, identityToken, expiresAt, egress } = issued;
      const redeemed = grantId === undefined ? [] : await deps.secrets.redeem(grantId, holder);
      if (redeemed.length > 0) await noteSeen(claim, name, redeemed);
      logs.protect(logKey(run, name), [
        ...redeemed.map(({ value }) => value),
        // Good for ten minutes at whoever trusts our issuer, and read by everybody who may read the log.
        ...(identityToken === undefined ? [] : [SecretBytes.fromUtf8(identityToken)]),
      ]);
      const secrets = redeemed.map(toSecretGrant);
      for (const { value } of redeemed) value.wipe();
      return {
        ...(identityToken === undefined ? {} : { identityToken }),
        secrets,
        egress: [...egress],
        expiresAt: expiresAt.toISOString(),
      };
    },

    async appendLog(claim, name, offset, bytes) {
      const run = await db.write(async (tx) => {
        const leased = await lockLeased(store, tx, claim);
        const { status } = await stepOf(store, tx, leased, name);
        if (status !== 'granted') {
          throw new Fault(
            'conflict',
            'pipeline.step_closed',
            `expected a step that runs, "${name}" is ${status}`,
          );
        }
        return leased;
      });
      // Outside of the transaction. A lease that is lost at this moment loses an attempt whose log nobody reads.
      return logs.append(logKey(run, name), offset, bytes);
    },

    async finish(claim, name, report) {
      const stranger = report.egress.find(({ step }) => step !== name && step !== toolsStep);
      if (stranger !== undefined) {
        const message = `expected the egress of step "${name}", got that of "${stranger.step}"`;
        throw new Fault('invalid', 'pipeline.foreign_egress', message);
      }
      const run = await db.write((tx) => lockLeased(store, tx, claim));
      const log = await logs.finish(logKey(run, name));
      // A log that was cut or covered here differs from the agent's by right; else it must be the very same.
      if (!log.truncated && !log.covered && log.digest !== report.logDigest) {
        const message = `expected the log that was received, ${log.digest}, got a report about ${report.logDigest}`;
        throw new Fault('integrity', 'pipeline.log_mismatch', message);
      }
      await db.write(async (tx) => {
        const leased = await lockLeased(store, tx, claim);
        const record = await stepOf(store, tx, leased, name);
        if (record.report !== undefined && canonicalJson(record.report) === canonicalJson(report)) return;
        if (record.status !== 'granted') {
          const message = `expected a step that runs, "${name}" is ${record.status}`;
          throw new Fault('conflict', 'pipeline.step_closed', message);
        }
        await deps.identity.endStepTokens(tx, leased.id, name);
        await deps.secrets.endGrants(tx, holderOf(leased, name));
        const { digest, sizeBytes, truncated } = log;
        await store.replaceStep(tx, {
          ...record,
          status: report.outcome,
          finishedAt: clock.now(),
          report,
          log: { digest, sizeBytes, truncated: truncated || report.logTruncated },
        });
        await deps.audit.record(tx, {
          type: 'pipeline.step.finished',
          actor: { kind: claim.agent.kind, id: claim.agent.id },
          resource: runResource(leased),
          detail: { step: name, attempt: leased.attempt, outcome: report.outcome, log: digest },
        });
      });
      // After the commit: from here on nothing is appended.
      logs.forget(logKey(run, name));
    },
  };
}

function alreadyGranted({ name, status }: StepRecord): Fault {
  const message = `expected a step that has not begun, "${name}" is ${status}`;
  return new Fault('conflict', 'pipeline.step_granted', message, {
    hint: 'a step is granted once in an attempt; fail the job, or let the lease end to get another attempt',
  });
}

const toSecretGrant = ({ name, delivery, value, path, version }: GrantedSecret) => ({
  name,
  delivery,
  value: toBase64(value.expose()),
  path,
  version,
});
