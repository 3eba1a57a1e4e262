import type { DriftFinding, HealthStatus, SyncStatus } from '@sallyport/contract';
import { type Digest, Fault } from '@sallyport/formats';
import type { Context, ResourceEvent } from './context.ts';
import type { GateResult, Verdict } from './policy/decide.ts';
import type { Judge } from './promotion/judge.ts';
import { isActive, type Place, type Promotion, type PromotionState } from './promotion/promotion.ts';

export interface Why {
  readonly digest: Digest;
  readonly environment: string;
  readonly outcome: Verdict['outcome'];
  readonly gates: readonly GateResult[];
  /** Evidence that exists and is not believed. */
  readonly rejected: readonly { readonly id: string; readonly reason: string }[];
  readonly hold: { readonly by: string; readonly reason: string; readonly since: string } | undefined;
  readonly promotion: PromotionView | undefined;
  /** What to do, in order; empty when nothing stands in the way. */
  readonly next: readonly string[];
}

export interface PromotionView {
  readonly id: string;
  readonly environment: string;
  readonly digest: Digest;
  readonly purpose: string;
  readonly automatic: boolean;
  readonly state: PromotionState;
  readonly outcome: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  readonly updatedAt: string;
  readonly revision: number | undefined;
}

export interface EnvironmentStatus {
  readonly service: string;
  readonly environment: string;
  readonly desired: { readonly digest: Digest; readonly revision: number } | undefined;
  readonly running: string | undefined;
  readonly sync: SyncStatus;
  readonly health: HealthStatus;
  readonly since: string | undefined;
  /** When the agent last looked: an old observation must not pass for a fresh one. */
  readonly observedAt: string | undefined;
  readonly address: string | undefined;
  readonly refusal: { readonly code: string; readonly message: string } | undefined;
  readonly hold: string | undefined;
  readonly promotion: PromotionView | undefined;
  readonly drift: readonly DriftFinding[];
}

export interface TraceEntry {
  readonly time: string;
  readonly kind: 'evidence' | 'event';
  readonly type: string;
  readonly resource: string;
  readonly actor: string | undefined;
  readonly logIndex: number | undefined;
  readonly detail: unknown;
}

const shownDrift = 20;
const tracedEvents = 200;

/** Read-only answers. None of them is stored: they are computed from evidence, policy and state at the time asked. */
export function createViews(context: Context, { judge }: Judge) {
  const { db, store, deployments, signing } = context;

  async function why(place: Place, digest: Digest): Promise<Why> {
    const state = await db.read(async (tx) => {
      await context.resolve(tx, place);
      const promotions = await store.listByDigest(tx, digest);
      const here = promotions.filter(
        (each) =>
          each.project === place.project &&
          each.service === place.service &&
          each.environment === place.environment,
      );
      return { hold: await store.findHold(tx, place), promotion: here.at(-1) };
    });
    const promoter =
      state.promotion?.requestedBy.kind === 'person' ? state.promotion.requestedBy.id : undefined;
    const { verdict, set } = await judge(place, digest, promoter);
    const { hold, promotion } = state;
    // One new run may satisfy several gates; it is asked for once.
    const next = [...new Set(verdict.gates.filter((gate) => !gate.passed).map((gate) => gate.fix))];
    if (hold !== undefined) next.push(`sally unhold ${place.environment} --service ${place.service}`);
    if (
      next.length === 0 &&
      (promotion === undefined || !isActive(promotion.state)) &&
      promotion?.state !== 'healthy'
    ) {
      next.push(`sally promote ${digest} ${place.environment}`);
    }
    return {
      digest,
      environment: place.environment,
      outcome: verdict.outcome,
      gates: verdict.gates,
      rejected: set.rejected,
      hold: hold && { by: hold.actor.id, reason: hold.reason, since: hold.since.toISOString() },
      promotion: promotion && viewOf(promotion),
      next,
    };
  }

  function status(project: string): Promise<readonly EnvironmentStatus[]> {
    return db.read(async (tx) => {
      const found: EnvironmentStatus[] = [];
      for (const service of await store.listServices(tx, project)) {
        for (const environment of Object.keys(service.definition.environments)) {
          const place = { project, service: service.service, environment };
          const desired = await deployments.findCurrent(tx, place);
          const observed = await deployments.findObserved(tx, place);
          const hold = await store.findHold(tx, place);
          const promotion = (await store.findActive(tx, place)) ?? (await store.listAt(tx, place, 1))[0];
          const drift = await deployments.listDrift(tx, place, shownDrift);
          const report = observed?.report;
          // What the agent compared with may be an older revision than what is wanted now.
          const behind = desired !== undefined && report?.digest !== desired.digest;
          found.push({
            service: service.service,
            environment,
            desired: desired && { digest: desired.digest, revision: desired.revision },
            running: report?.digest,
            sync: report === undefined ? 'Unknown' : behind ? 'OutOfSync' : report.sync,
            health: report?.health ?? 'Unknown',
            since: observed?.since.toISOString(),
            observedAt: observed?.observedAt.toISOString(),
            address: report?.address,
            refusal: report?.refusal,
            hold: hold?.reason,
            promotion: promotion && viewOf(promotion),
            drift: drift.map((each) => each.finding),
          });
        }
      }
      return found;
    });
  }

  /** Everything that is known about a digest in the order of time: evidence, and the events of its promotions. */
  async function trace(digest: Digest, project?: string): Promise<readonly TraceEntry[]> {
    const resources = await db.read(async (tx) => {
      const mine = (each: { readonly project: string }) => project === undefined || each.project === project;
      const promotions = (await store.listByDigest(tx, digest)).filter(mine);
      const releases = (await store.listReleases(tx, digest)).filter(mine);
      const approvals = (await store.listApprovals(tx, digest)).filter(mine);
      if (project !== undefined && promotions.length + releases.length === 0) {
        // Another project's digest is not there for this one, its evidence included.
        throw new Fault(
          'not_found',
          'release.digest_unknown',
          `expected a digest of ${project}, got ${digest}`,
        );
      }
      return [
        ...releases.map((release) => `release/${release.id}`),
        ...promotions.map((promotion) => `promotion/${promotion.id}`),
        ...approvals.map((approval) => `approval/${approval.id}`),
      ];
    });
    const entries: TraceEntry[] = [];
    for (const each of await signing.list(digest)) {
      entries.push({
        time: each.sealedAt.toISOString(),
        kind: 'evidence',
        type: each.predicateType,
        resource: `evidence/${each.id}`,
        actor: undefined,
        logIndex: each.logIndex,
        detail: { bundleDigest: each.bundleDigest, key: each.key },
      });
    }
    for (const resource of resources) {
      const events = await context.eventsOf(resource, tracedEvents);
      entries.push(...events.map(eventEntry));
    }
    return entries.sort((a, b) =>
      a.time < b.time ? -1 : a.time > b.time ? 1 : (a.logIndex ?? 0) - (b.logIndex ?? 0),
    );
  }

  return { why, status, trace };
}

function eventEntry(event: ResourceEvent): TraceEntry {
  return {
    time: event.time,
    kind: 'event',
    type: event.type,
    resource: event.resource,
    actor: `${event.actor.kind}/${event.actor.id}`,
    logIndex: event.leafIndex,
    detail: event.detail ?? null,
  };
}

export function viewOf(promotion: Promotion): PromotionView {
  return {
    id: promotion.id,
    environment: promotion.environment,
    digest: promotion.digest,
    purpose: promotion.purpose,
    automatic: promotion.automatic,
    state: promotion.state,
    outcome: promotion.outcome,
    requestedBy: promotion.requestedBy.name,
    requestedAt: promotion.requestedAt.toISOString(),
    updatedAt: promotion.updatedAt.toISOString(),
    revision: promotion.revision,
  };
}
