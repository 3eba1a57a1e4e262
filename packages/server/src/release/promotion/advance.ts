import { assertNever, Fault } from '@sallyport/formats';
import { systemActor, type Tx } from '#platform';
import {
  deploymentStatement,
  desiredStateStatement,
  type Evidence,
  type StatementContent,
  verdictStatement,
} from '#signing';
import { desiredResource, desiredState, serviceState } from '../audited.ts';
import { type Context, nameOf, promotionQueue } from '../context.ts';
import { wakeAt } from '../policy/decide.ts';
import type { Desired } from '../store.ts';
import type { Judge } from './judge.ts';
import type { Opener } from './open.ts';
import { type Promotion, promotionState } from './promotion.ts';

/** More steps than a promotion has; reaching it means two states lead to each other. */
const maxSteps = 12;

/**
 * Drives a promotion as far as it goes. Idempotent, and safe from several replicas at once: each step reads the row,
 * does its outside work (verify, seal) without a transaction, then locks the row, checks that it still is as it was,
 * and writes state and event together. What was sealed in between is found again by its key.
 */
export function createAdvance(context: Context, { judge }: Judge, opener: Opener) {
  const { db, store, deployments, clock, jobs, signing } = context;

  async function advance(id: string): Promise<Promotion> {
    let promotion = await load(id);
    // A wake of one that waits means that something happened: an approval, a timer, the end of a hold.
    if (promotion.state === 'waiting' || promotion.state === 'held') promotion = await reconsider(promotion);
    for (let count = 0; count < maxSteps; count += 1) {
      const next = await step(promotion);
      if (next === undefined) return promotion;
      promotion = next;
    }
    throw new Fault('internal', 'release.promotion_loop', `promotion ${id} does not come to rest`);
  }

  async function load(id: string): Promise<Promotion> {
    return db.read(async (tx) => {
      const promotion = await store.find(tx, id);
      if (promotion === undefined) {
        throw new Fault('not_found', 'release.promotion_unknown', `expected a promotion, got ${id}`);
      }
      await context.assertRecorded(tx, `promotion/${id}`, promotionState(promotion));
      return promotion;
    });
  }

  /** The next state, or undefined when it rests: because it ended, or because it waits for somebody else. */
  async function step(promotion: Promotion): Promise<Promotion | undefined> {
    switch (promotion.state) {
      case 'requested':
        return locked(promotion, (tx, current) =>
          context.move(tx, current, 'deciding', { decisions: current.decisions + 1, verdict: undefined }),
        );
      case 'deciding':
        return promotion.verdict === undefined ? decideNow(promotion) : actOnVerdict(promotion);
      case 'sealed':
        return publish(promotion);
      case 'waiting':
      case 'held':
      case 'deployed':
      case 'superseded':
        return undefined;
      case 'healthy':
      case 'failed':
      case 'refused':
        return promotion.concludedAt === undefined ? conclude(promotion) : undefined;
      default:
        return assertNever(promotion.state, 'promotion state');
    }
  }

  /** Runs `work` if the promotion still is as the caller saw it; else gives what it has become. */
  function locked(
    seen: Promotion,
    work: (tx: Tx, current: Promotion) => Promise<Promotion>,
  ): Promise<Promotion> {
    return db.write(async (tx) => {
      // The place before the row, as everybody who takes both: otherwise two could wait for each other.
      await store.lockPlace(tx, seen);
      const current = await store.getForUpdate(tx, seen.id);
      await context.assertRecorded(tx, `promotion/${current.id}`, promotionState(current));
      const moved =
        current.state !== seen.state ||
        current.decisions !== seen.decisions ||
        (current.verdict === undefined) !== (seen.verdict === undefined) ||
        (current.concludedAt === undefined) !== (seen.concludedAt === undefined);
      return moved ? current : work(tx, current);
    });
  }

  function reconsider(promotion: Promotion): Promise<Promotion> {
    return locked(promotion, async (tx, current) => {
      if (current.state === 'held' && (await store.findHold(tx, current)) !== undefined) return current;
      return context.move(tx, current, 'deciding', { decisions: current.decisions + 1, verdict: undefined });
    });
  }

  /** The verdict is stored before it is sealed, so that a crash in between seals the same one. */
  async function decideNow(promotion: Promotion): Promise<Promotion> {
    await concludeBefore(promotion);
    const { kind, id } = promotion.requestedBy;
    const { verdict } = await judge(promotion, promotion.digest, kind === 'person' ? id : undefined);
    return locked(promotion, async (tx, current) => {
      const decided = { ...current, verdict, updatedAt: clock.now() };
      await context.write(tx, decided, 'release.promotion.decided', { outcome: verdict.outcome });
      return decided;
    });
  }

  /** Healthy in the environment before, and not yet sealed as such: it would be refused for evidence on its way. */
  async function concludeBefore({ id, project, service, digest }: Promotion): Promise<void> {
    const all = await db.read((tx) => store.listByDigest(tx, digest));
    for (const each of all) {
      const isOfService = each.project === project && each.service === service && each.id !== id;
      if (isOfService && each.state === 'healthy' && each.concludedAt === undefined) await advance(each.id);
    }
  }

  async function actOnVerdict(promotion: Promotion): Promise<Promotion> {
    const { verdict } = promotion;
    if (verdict === undefined) throw new Fault('internal', 'release.no_verdict', 'expected a verdict');
    const refusing = verdict.gates.filter((gate) => !gate.passed).map((gate) => gate.gate);
    switch (verdict.outcome) {
      case 'refuse':
        return locked(promotion, (tx, current) =>
          context.move(tx, current, 'refused', { outcome: `refused by ${refusing.join(', ')}` }),
        );
      case 'waiting':
        return locked(promotion, async (tx, current) => {
          const time = wakeAt(verdict);
          if (time !== undefined) await jobs.wake(tx, promotionQueue, current.id, { notBefore: time });
          return context.move(tx, current, 'waiting', { outcome: `waiting for ${refusing.join(', ')}` });
        });
      case 'pass':
        return passed(promotion);
      default:
        return assertNever(verdict.outcome, 'verdict');
    }
  }

  async function passed(promotion: Promotion): Promise<Promotion> {
    const hold = promotion.automatic ? await db.read((tx) => store.findHold(tx, promotion)) : undefined;
    if (hold !== undefined) {
      return locked(promotion, async (tx, current) =>
        // Lifted meanwhile: the next round finds no hold.
        (await store.findHold(tx, current)) === undefined
          ? current
          : context.move(tx, current, 'held', { outcome: `held: ${hold.reason}` }),
      );
    }
    const evidence = await sealVerdict(promotion);
    return locked(promotion, async (tx, current) => {
      if (current.automatic && (await store.findHold(tx, current)) !== undefined) return current;
      const revision = await deployments.nextRevision(tx, current);
      const allocated: Desired = {
        ...placeOf(current),
        revision,
        digest: current.digest,
        promotionId: current.id,
        allocatedAt: clock.now(),
        published: undefined,
      };
      await deployments.insertDesired(tx, allocated);
      await recordDesired(tx, 'release.desired.allocated', allocated);
      return context.move(tx, current, 'sealed', { revision, verdictBundle: evidence.bundleDigest });
    });
  }

  function sealVerdict(promotion: Promotion): Promise<Evidence> {
    const { verdict } = promotion;
    if (verdict === undefined) throw new Fault('internal', 'release.no_verdict', 'expected a verdict');
    const content = verdictStatement({
      verifierId: signing.identityUris.verifierId,
      place: placeOf(promotion),
      passed: verdict.outcome === 'pass',
      buildLevel: context.buildLevel ?? 'SLSA_BUILD_LEVEL_1',
      decidedAt: verdict.decidedAt,
      policyDigest: verdict.policyDigest,
      evidence: verdict.evidence,
      gates: verdict.gates.map(({ gate, passed, reason, fix }) => ({
        name: gate,
        result: passed ? 'pass' : 'refuse',
        reason,
        ...(fix === '' ? {} : { fix }),
      })),
    });
    return seal(promotion, `${promotion.id}/verdict/${promotion.decisions}`, content);
  }

  async function seal(promotion: Promotion, key: string, content: StatementContent): Promise<Evidence> {
    const service = await db.read((tx) => store.findService(tx, promotion.project, promotion.service));
    return signing.seal({
      key,
      subject: { name: nameOf(promotion), digest: promotion.digest },
      ...content,
      // A refused digest may be one that our registry has never seen; there is nothing to refer to then.
      ...(service === undefined || promotion.state === 'refused'
        ? {}
        : { ociRepository: service.ociRepository }),
    });
  }

  /** Signs the desired state and makes it visible to the agent: only from this commit on is it given out. */
  async function publish(promotion: Promotion): Promise<Promotion> {
    const { revision, verdictBundle } = promotion;
    if (revision === undefined || verdictBundle === undefined) {
      throw new Fault(
        'integrity',
        'release.promotion_torn',
        `promotion ${promotion.id}: expected a sealed one`,
      );
    }
    const verdict = await sealVerdict(promotion);
    const { service, allocated } = await db.read(async (tx) => {
      const { service: declared } = await context.resolve(tx, promotion);
      await context.assertRecorded(tx, `service/${nameOf(promotion)}`, serviceState(declared));
      return { service: declared, allocated: await deployments.findDesired(tx, promotion, revision) };
    });
    if (allocated === undefined) {
      throw new Fault(
        'integrity',
        'release.promotion_torn',
        `promotion ${promotion.id}: expected its revision`,
      );
    }
    const key = `${promotion.id}/desired/${revision}`;
    // The definition may have changed since a crash: what was signed first stays.
    const statement =
      (await signing.find(key)) ??
      (await seal(
        promotion,
        key,
        desiredStateStatement({
          ...placeOf(promotion),
          revision,
          ociRepository: service.ociRepository,
          promotionId: promotion.id,
          reason: promotion.purpose === 'rollback' ? 'rollback' : 'promotion',
          verdict: verdict.bundleDigest,
          spec: { ...service.definition.environments[promotion.environment] },
          at: allocated.allocatedAt.toISOString(),
        }),
      ));
    return locked(promotion, async (tx, current) => {
      const published = { statement: statement.bundle, verdict: verdict.bundle, at: clock.now() };
      await deployments.publish(tx, current, revision, published.statement, published.verdict, published.at);
      await recordDesired(tx, 'release.desired.published', { ...allocated, published });
      return context.move(tx, current, 'deployed', { outcome: `revision ${revision} is desired` });
    });
  }

  function recordDesired(tx: Tx, type: string, desired: Desired): Promise<void> {
    return context.audit.record(tx, {
      type,
      actor: { kind: 'system', id: 'system' },
      resource: desiredResource(desired),
      state: desiredState(desired),
    });
  }

  /** What follows from an end. Repeated after a crash until `concludedAt` is set, so each part is idempotent. */
  async function conclude(promotion: Promotion): Promise<Promotion> {
    if (promotion.state === 'refused') await sealVerdict(promotion);
    else await sealDeployment(promotion);
    return locked(promotion, async (tx, current) => {
      const concluded = { ...current, concludedAt: clock.now(), updatedAt: clock.now() };
      await context.write(tx, concluded, 'release.promotion.concluded', { state: current.state });
      if (current.state === 'healthy') await openNext(tx, current);
      if (current.state === 'failed') await rollBack(tx, current);
      await opener.openPending(tx, current);
      return concluded;
    });
  }

  async function sealDeployment(promotion: Promotion): Promise<void> {
    const { revision } = promotion;
    const key = `${promotion.id}/deployment/${revision}`;
    if (revision === undefined || (await signing.find(key)) !== undefined) return;
    const desired = await signing.find(`${promotion.id}/desired/${revision}`);
    const observed = await db.read((tx) => deployments.findObserved(tx, promotion));
    const healthy = promotion.state === 'healthy';
    const reporter = observed?.reporter ?? 'unknown';
    await seal(
      promotion,
      key,
      deploymentStatement({
        ...placeOf(promotion),
        revision,
        agent: { id: reporter, name: reporter },
        sync: healthy ? 'Synced' : 'OutOfSync',
        health: healthy ? 'Healthy' : 'Degraded',
        ...(desired === undefined ? {} : { desiredState: desired.bundleDigest }),
        ...(promotion.outcome === '' ? {} : { reason: promotion.outcome }),
        // The time of the transition, not of this attempt: a repetition must say the same.
        at: promotion.updatedAt.toISOString(),
      }),
    );
  }

  async function openNext(tx: Tx, promotion: Promotion): Promise<void> {
    const release = await store.findRelease(tx, promotion.project, promotion.service, promotion.digest);
    // After a rollback the older digest is not sent further: it has been there.
    if (release === undefined || promotion.purpose === 'rollback') return;
    await opener.openAutomatic(tx, release, promotion.environment);
  }

  /** One rollback per failure: a rollback that fails waits for a person. */
  async function rollBack(tx: Tx, promotion: Promotion): Promise<void> {
    const { environment } = await context.resolve(tx, promotion);
    const cause = promotion.outcome.startsWith('start_failed') ? 'start_failed' : 'unhealthy';
    if (promotion.purpose === 'rollback' || !environment.rollbackOn.includes(cause)) return;
    const target = await lastHealthy(context, tx, promotion);
    if (target === undefined) return;
    // A person may have asked for something else since: that goes first.
    if ((await store.findActive(tx, promotion)) !== undefined) return;
    await opener.open(tx, {
      ...placeOf(promotion),
      digest: target.digest,
      purpose: 'rollback',
      automatic: false,
      requestedBy: systemActor,
      reason: `${promotion.id} failed: ${promotion.outcome}`,
    });
  }

  return { advance };
}

/** The newest promotion of another digest that became healthy in the place. */
export async function lastHealthy(
  context: Pick<Context, 'store'>,
  tx: Tx,
  place: Promotion | (Parameters<typeof placeOf>[0] & { readonly digest: Promotion['digest'] }),
): Promise<Promotion | undefined> {
  const promotions = await context.store.listAt(tx, place, 500);
  return promotions
    .filter((each) => each.state === 'healthy' && each.digest !== place.digest)
    .sort((a, b) => (b.revision ?? 0) - (a.revision ?? 0))[0];
}

export function placeOf({
  project,
  service,
  environment,
}: {
  readonly project: string;
  readonly service: string;
  readonly environment: string;
}) {
  return { project, service, environment };
}
