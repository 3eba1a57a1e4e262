import type { DeployReport, DriftFinding } from '@sallyport/contract';
import { type Digest, Fault, parseDigest } from '@sallyport/formats';
import { type Actor, systemActor, type Tx } from '#platform';
import { type Context, promotionQueue, resourceOf } from '../context.ts';
import { lastHealthy, placeOf } from '../promotion/advance.ts';
import { silenceSeconds } from '../promotion/judge.ts';
import type { Opener } from '../promotion/open.ts';
import type { Place, Promotion } from '../promotion/promotion.ts';
import type { Observed } from '../store.ts';

/** How far an agent's clock may be ahead. Times that count are the server's; the agent's only order its reports. */
const maxAheadSeconds = 300;
const keptFindings = 200;
/** What an agent says of a release that ran and was withdrawn (agent/src/deploy/revocations.ts). */
const revokedCode = 'deploy.revoked';

/**
 * Takes in what an agent says it sees. `revision` is the desired revision the report is about, `digest` what runs.
 * A report moves only the promotion of that very revision, so an old or late one cannot move a newer one.
 */
export function createReporter(context: Context, opener: Opener) {
  const { db, store, deployments, clock, audit, ids, jobs } = context;

  async function report(actor: Actor, sent: DeployReport): Promise<Promotion | undefined> {
    const now = clock.now();
    const observedAt = new Date(sent.observedAt);
    if (observedAt.getTime() > now.getTime() + maxAheadSeconds * 1000) {
      throw new Fault(
        'invalid',
        'release.report_from_future',
        `expected a time up to ${now.toISOString()}, got ${sent.observedAt}`,
        { hint: 'set the clock of the agent (for example with chrony)' },
      );
    }
    const place = placeOf(sent);
    const digest = sent.digest === undefined ? undefined : parseDigest(sent.digest);
    return db.write(async (tx) => {
      await store.lockPlace(tx, place);
      await context.resolve(tx, place);
      const before = await deployments.findObserved(tx, place);
      // Reports can overtake each other on their way.
      if (before !== undefined && observedAt.getTime() < before.observedAt.getTime()) return undefined;
      const same =
        before !== undefined &&
        before.report.digest === sent.digest &&
        before.report.health === sent.health &&
        before.report.sync === sent.sync;
      await keepFindings(tx, actor, place, sent);
      await keepResidences(tx, place, isHealthy(sent) ? digest : undefined, now);
      const { findings: _kept, ...rest } = sent;
      await deployments.putObserved(tx, {
        ...place,
        report: { ...rest, findings: sent.findings.slice(0, keptFindings) },
        reporter: actor.id,
        observedAt,
        since: same ? before.since : now,
      } satisfies Observed);
      if (!same) await recordChange(tx, actor, place, sent, before);
      const promotion = await movePromotion(tx, actor, place, sent, digest);
      if (promotion !== undefined && promotion.concludedAt === undefined) {
        await jobs.wake(tx, promotionQueue, promotion.id);
      }
      return promotion;
    });
  }

  /** A statement of the fact, without a state: observations come every few seconds and are no state of ours. */
  async function recordChange(
    tx: Tx,
    actor: Actor,
    place: Place,
    sent: DeployReport,
    before: Observed | undefined,
  ): Promise<void> {
    await audit.record(tx, {
      type: 'release.deployment.observed',
      actor: { kind: actor.kind, id: actor.id },
      resource: resourceOf('place', place),
      detail: {
        revision: sent.revision,
        digest: sent.digest ?? null,
        sync: sent.sync,
        health: sent.health,
        before: before === undefined ? null : `${before.report.sync} ${before.report.health}`,
        refusal: sent.refusal?.code ?? null,
      },
    });
  }

  async function keepFindings(tx: Tx, actor: Actor, place: Place, sent: DeployReport): Promise<void> {
    if (sent.findings.length === 0) return;
    const known = await deployments.listDrift(tx, place, keptFindings);
    const seen = new Set(known.map((each) => identityOf(each.finding)));
    for (const finding of sent.findings.slice(0, keptFindings)) {
      // An agent repeats a finding until it knows that it arrived.
      if (seen.has(identityOf(finding))) continue;
      seen.add(identityOf(finding));
      const drift = { ...place, id: ids.next('drf'), revision: sent.revision, finding, at: clock.now() };
      await deployments.insertDrift(tx, drift);
      await audit.record(tx, {
        type: 'release.drift.found',
        actor: { kind: actor.kind, id: actor.id },
        resource: resourceOf('place', place),
        detail: { ...finding, revision: sent.revision, digest: sent.digest ?? null },
      });
    }
    await deployments.trimDrift(tx, place, keptFindings);
  }

  /** Ends the healthy stretch of whatever is not healthy any more, and goes on with or begins that of `healthy`. */
  async function keepResidences(tx: Tx, place: Place, healthy: Digest | undefined, now: Date): Promise<void> {
    for (const residence of await deployments.listHealthy(tx, place)) {
      if (residence.digest === healthy) continue;
      const longestSeconds = Math.max(residence.longestSeconds, secondsOf(residence));
      await deployments.putResidence(tx, { ...residence, healthySince: undefined, longestSeconds });
    }
    if (healthy === undefined) return;
    const known = await deployments.findResidence(tx, place, healthy);
    const silent =
      known?.lastHealthyAt !== undefined &&
      now.getTime() - known.lastHealthyAt.getTime() > silenceSeconds * 1000;
    const running = known?.healthySince !== undefined && !silent;
    await deployments.putResidence(tx, {
      ...place,
      digest: healthy,
      healthySince: running ? known.healthySince : now,
      lastHealthyAt: now,
      longestSeconds: known === undefined ? 0 : Math.max(known.longestSeconds, secondsOf(known)),
    });
  }

  async function movePromotion(
    tx: Tx,
    actor: Actor,
    place: Place,
    sent: DeployReport,
    digest: Digest | undefined,
  ): Promise<Promotion | undefined> {
    const found = await store.findByRevision(tx, place, sent.revision);
    if (found === undefined) return undefined;
    const promotion = await store.getForUpdate(tx, found.id);
    if (promotion.state === 'healthy' && sent.refusal?.code === revokedCode)
      await replaceRevoked(tx, promotion, sent.refusal.message);
    if (promotion.state !== 'deployed') return promotion;
    if (sent.refusal !== undefined) {
      const { code, message } = sent.refusal;
      // An instance that started and then answered no health check is `unhealthy` to the definition's `rollback.on`.
      const cause = code === 'deploy.unhealthy' ? 'unhealthy' : 'start_failed';
      return context.move(tx, promotion, 'failed', { outcome: `${cause}: ${code}: ${message}` }, actor);
    }
    if (digest !== promotion.digest) return promotion;
    if (isHealthy(sent)) {
      return context.move(
        tx,
        promotion,
        'healthy',
        { outcome: `healthy as revision ${sent.revision}` },
        actor,
      );
    }
    if (sent.health === 'Degraded' || sent.health === 'Missing') {
      const outcome = `unhealthy: reported ${sent.health} after ${sent.restarts} restarts`;
      return context.move(tx, promotion, 'failed', { outcome }, actor);
    }
    return promotion;
  }

  /** Once for a revision: the report is repeated, and a person may have asked for something else since. */
  async function replaceRevoked(tx: Tx, promotion: Promotion, message: string): Promise<void> {
    const [newest] = await store.listAt(tx, promotion, 1);
    if (newest?.id !== promotion.id) return;
    const target = await lastHealthy(context, tx, promotion);
    if (target === undefined) return;
    await opener.open(tx, {
      ...placeOf(promotion),
      digest: target.digest,
      purpose: 'rollback',
      automatic: false,
      requestedBy: systemActor,
      reason: `${promotion.id} was revoked: ${message}`.slice(0, 500),
    });
  }

  return { report };
}

function isHealthy(report: DeployReport): boolean {
  return report.health === 'Healthy' && report.sync === 'Synced' && report.digest !== undefined;
}

function identityOf(finding: DriftFinding): string {
  return `${finding.kind} ${finding.path ?? ''} ${finding.at}`;
}

function secondsOf(residence: {
  readonly healthySince: Date | undefined;
  readonly lastHealthyAt: Date | undefined;
}) {
  const { healthySince, lastHealthyAt } = residence;
  if (healthySince === undefined || lastHealthyAt === undefined) return 0;
  return Math.max(0, Math.floor((lastHealthyAt.getTime() - healthySince.getTime()) / 1000));
}
