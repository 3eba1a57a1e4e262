import type { Definition, DeployReport } from '@sallyport/contract';
import { type Digest, Fault } from '@sallyport/formats';
import type { Actor, Authorize, Tx } from '#platform';
import { holdState, releaseState, serviceState } from './audited.ts';
import {
  approvalQueue,
  createContext,
  nameOf,
  promotionQueue,
  type ReleaseDeps,
  resourceOf,
} from './context.ts';
import { createDesired } from './deployment/desired.ts';
import { createReporter } from './deployment/report.ts';
import { compilePolicy } from './policy/policy.ts';
import { createAdvance, lastHealthy, placeOf } from './promotion/advance.ts';
import { createApprovals } from './promotion/approve.ts';
import { createJudge } from './promotion/judge.ts';
import { createOpener } from './promotion/open.ts';
import type { Place, Promotion, PromotionRequest } from './promotion/promotion.ts';
import { reasonOf } from './promotion/reason.ts';
import type { Hold, Service } from './store.ts';
import { createViews } from './views.ts';

export interface Declaration {
  readonly project: string;
  readonly service: string;
  readonly ociRepository: string;
  /** The source repository as provenance names it: what the provenance gate compares with. */
  readonly repository: string;
  /** From the protected ref, checked against its schema, with its environments in order. */
  readonly definition: Definition;
  readonly definitionDigest: Digest;
  /** The commit on the protected branch that brought it. */
  readonly definitionCommit?: string;
  /** The commit it was found to supersede; another one meanwhile refuses, so that the caller looks again. */
  readonly supersedes?: string;
}

export interface Offer {
  readonly project: string;
  readonly service: string;
  readonly digest: Digest;
  readonly commit: string;
  readonly runId: string;
  readonly author: { readonly email?: string; readonly personId?: string };
}

/** Which release runs where, and why it was let in. All verbs that change state do it in one transaction with its event. */
export function createRelease(deps: ReleaseDeps) {
  const context = createContext(deps);
  const { db, store, deployments, clock, ids, jobs, audit } = context;
  const judge = createJudge(context);
  const opener = createOpener(context);
  const { advance } = createAdvance(context, judge, opener);
  const reporter = createReporter(context, opener);
  const desired = createDesired(context);
  const views = createViews(context, judge);
  const { approve, sealApproval } = createApprovals(context);

  /** Compiles the gates (Fault invalid with position) and makes this definition the one that judges from now on. */
  async function declare(tx: Tx, declaration: Declaration): Promise<void> {
    compilePolicy(declaration.definition, declaration.repository);
    // Two runs that end together must not both take the place of the same definition.
    await store.lockPlace(tx, { ...declaration, environment: '' });
    const before = await store.findService(tx, declaration.project, declaration.service);
    if (before !== undefined && before.repository !== declaration.repository) {
      // Else whoever may push to any repository of the project could bring gates of their own for another's service.
      throw new Fault(
        'precondition',
        'release.service_taken',
        `expected ${nameOf(declaration)} from repository ${before.repository}, got it from ${declaration.repository}`,
        { hint: 'a service belongs to the repository that declared it first: give this one another name' },
      );
    }
    const { supersedes, ...declared } = declaration;
    if (before?.definitionCommit !== undefined && before.definitionCommit !== supersedes) {
      throw new Fault(
        'conflict',
        'release.definition_moved',
        `expected the definition of commit ${supersedes ?? 'none'}, found that of ${before.definitionCommit}`,
      );
    }
    const service: Service = { ...declared, declaredAt: clock.now() };
    await store.putService(tx, service);
    await audit.record(tx, {
      type: 'release.service.declared',
      actor: { kind: 'system', id: 'system' },
      resource: `service/${nameOf(service)}`,
      state: serviceState(service),
      detail: { definitionDigest: service.definitionDigest },
    });
    // What waits is judged again: by the new gates, which may ask for more or for less.
    for (const promotion of await store.listPromotions(tx, service.project, 500)) {
      if (promotion.service === service.service && promotion.state === 'waiting') {
        await jobs.wake(tx, promotionQueue, promotion.id);
      }
    }
  }

  /** A digest that a run built. Opens the automatic promotions to the first environments; repeating it changes nothing. */
  function offer(offered: Offer): Promise<readonly Promotion[]> {
    return db.write(async (tx) => {
      const { email, personId } = offered.author;
      const release = {
        ...offered,
        id: ids.next('rel'),
        author: { email, personId },
        offeredAt: clock.now(),
      };
      const inserted = await store.insertRelease(tx, release);
      if (inserted) {
        await audit.record(tx, {
          type: 'release.release.offered',
          actor: { kind: 'system', id: 'system' },
          resource: `release/${release.id}`,
          state: releaseState(release),
          detail: {
            service: nameOf(offered),
            digest: offered.digest,
            commit: offered.commit,
            runId: offered.runId,
          },
        });
      }
      const known = await store.findRelease(tx, offered.project, offered.service, offered.digest);
      return known === undefined ? [] : opener.openAutomatic(tx, known, '');
    });
  }

  function promote(actor: Actor, request: PromotionRequest): Promise<Promotion> {
    return db.write(async (tx) => {
      await context.resolve(tx, request);
      return opener.open(tx, {
        ...placeOf(request),
        digest: request.digest,
        purpose: 'promote',
        automatic: false,
        requestedBy: actor,
        reason: reasonOf(request.reason),
      });
    });
  }

  /**
   * A promotion of an older digest, judged again like any other. Automatic promotion is put on hold: otherwise the next
   * candidate would undo what a person has just decided.
   */
  function rollback(
    actor: Actor,
    request: Place & { readonly digest?: Digest; readonly reason: string },
  ): Promise<Promotion> {
    return db.write(async (tx) => {
      await context.resolve(tx, request);
      await store.lockPlace(tx, request);
      const current = await deployments.findCurrent(tx, request);
      const before =
        request.digest ??
        (current &&
          (await lastHealthy(context, tx, { ...placeOf(request), digest: current.digest }))?.digest);
      if (before === undefined) {
        throw new Fault(
          'precondition',
          'release.nothing_to_roll_back_to',
          `expected an older release that was healthy in ${request.environment}, found none`,
          { hint: 'name the digest: sally rollback <environment> --to <digest>' },
        );
      }
      const reason = reasonOf(request.reason);
      await setHold(tx, actor, request, `rolled back: ${reason}`);
      return opener.open(tx, {
        ...placeOf(request),
        digest: before,
        purpose: 'rollback',
        automatic: false,
        requestedBy: actor,
        reason,
      });
    });
  }

  /** A person's no. Ends the promotion; its verdict is sealed like any refusal. */
  function refuse(
    actor: Actor,
    promotionId: string,
    reason: string,
    within?: { readonly project: string; readonly environment: string },
  ): Promise<Promotion> {
    return db.write(async (tx) => {
      const found = await store.find(tx, promotionId);
      const elsewhere = found?.project !== within?.project || found?.environment !== within?.environment;
      if (found === undefined || (within !== undefined && elsewhere)) {
        // The caller was authorised for one environment; a promotion of another is not there for them.
        throw new Fault('not_found', 'release.promotion_unknown', `expected a promotion, got ${promotionId}`);
      }
      await store.lockPlace(tx, found);
      const promotion = await store.getForUpdate(tx, promotionId);
      const text = reasonOf(reason);
      const { environment } = await context.resolve(tx, promotion);
      const gate = {
        gate: 'refused',
        origin: 'minimum',
        passed: false,
        reason: `refused by ${actor.name}: ${text || 'no reason given'}`,
        fix: `ask ${actor.name}, then: sally promote ${promotion.digest} ${promotion.environment}`,
      } as const;
      const verdict = {
        outcome: 'refuse',
        gates: [...(promotion.verdict?.gates ?? []), gate],
        evidence: promotion.verdict?.evidence ?? [],
        policyDigest: promotion.verdict?.policyDigest ?? environment.digest,
        decidedAt: clock.now().toISOString(),
      } as const;
      const change = { verdict, decisions: promotion.decisions + 1, outcome: gate.reason };
      await jobs.wake(tx, promotionQueue, promotion.id);
      return context.move(tx, promotion, 'refused', change, actor);
    });
  }

  function hold(actor: Actor, place: Place, reason: string): Promise<Hold> {
    return db.write(async (tx) => {
      await context.resolve(tx, place);
      await store.lockPlace(tx, place);
      return setHold(tx, actor, place, reasonOf(reason));
    });
  }

  async function setHold(tx: Tx, actor: Actor, place: Place, reason: string): Promise<Hold> {
    const { kind, id } = actor;
    const placed: Hold = { ...placeOf(place), actor: { kind, id }, reason, since: clock.now() };
    await store.putHold(tx, placed);
    await audit.record(tx, {
      type: 'release.hold.placed',
      actor: { kind, id },
      resource: resourceOf('hold', place),
      state: holdState(placed),
    });
    return placed;
  }

  function unhold(actor: Actor, place: Place): Promise<boolean> {
    return db.write(async (tx) => {
      await store.lockPlace(tx, place);
      if (!(await store.deleteHold(tx, place))) return false;
      await audit.record(tx, {
        type: 'release.hold.lifted',
        actor: { kind: actor.kind, id: actor.id },
        resource: resourceOf('hold', place),
        state: null,
      });
      const active = await store.findActive(tx, place);
      if (active?.state === 'held') await jobs.wake(tx, promotionQueue, active.id);
      return true;
    });
  }

  jobs.handle(promotionQueue, async (id) => {
    await advance(id);
  });
  jobs.handle(approvalQueue, sealApproval);

  return {
    declare,
    offer,
    promote,
    rollback,
    approve,
    sealApproval,
    refuse,
    hold,
    unhold,
    advance,
    /** Drives everything that a crash may have left: what the queue does too, for starts without one. */
    resume: async (): Promise<number> => {
      const unfinished = await db.read((tx) => store.listUnfinished(tx));
      for (const id of unfinished) await advance(id);
      return unfinished.length;
    },
    report: (actor: Actor, report: DeployReport) => reporter.report(actor, report),
    desiredFor: desired.desiredFor,
    desiredSince: desired.desiredSince,
    currentDesired: desired.currentDesired,
    why: (project: string, service: string, digest: Digest, environment: string) =>
      views.why({ project, service, environment }, digest),
    status: views.status,
    trace: views.trace,
    promotions: (project: string, limit = 100) => db.read((tx) => store.listPromotions(tx, project, limit)),
    serviceOf: (project: string, service: string) => db.read((tx) => store.findService(tx, project, service)),
    services: (project: string) => db.read((tx) => store.listServices(tx, project)),
    authorize: deps.authorize satisfies Authorize,
    /** The newest revision that may be given secrets: only what is published is real. */
    currentRevision: (place: Place) =>
      db.read(async (tx) => (await deployments.findCurrent(tx, place))?.revision),
  };
}

export type Release = ReturnType<typeof createRelease>;
