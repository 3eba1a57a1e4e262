import type { Digest } from '@sallyport/formats';
import { type Actor, systemActor, type Tx } from '#platform';
import { type Context, promotionQueue } from '../context.ts';
import type { Release } from '../store.ts';
import { isActive, type Place, type Promotion, type Purpose } from './promotion.ts';

export interface Opening extends Place {
  readonly digest: Digest;
  readonly purpose: Purpose;
  readonly automatic: boolean;
  readonly requestedBy: Actor;
  readonly reason: string;
}

/** How many releases may be on their way through the environments before this one. */
const maxCandidates = 50;

/** Opens promotions; the one place where the rule "one at a time per place" is kept (and the database keeps it too). */
export function createOpener(context: Context) {
  const { store, clock, ids, jobs } = context;

  /**
   * Opens a promotion; what was under way in the place is superseded. Asking again for the digest that is under way
   * gives the promotion that is there.
   */
  async function open(tx: Tx, opening: Opening): Promise<Promotion> {
    await store.lockPlace(tx, opening);
    const found = await store.findActive(tx, opening);
    if (found !== undefined) {
      if (found.digest === opening.digest && found.purpose === opening.purpose) return found;
      // Locked and read again: `advance` may be moving it at this moment.
      const current = await store.getForUpdate(tx, found.id);
      if (isActive(current.state)) {
        await context.move(
          tx,
          current,
          'superseded',
          { outcome: `superseded by ${opening.digest}` },
          opening.requestedBy,
        );
      }
    }
    const now = clock.now();
    const { kind, id, name } = opening.requestedBy;
    const promotion: Promotion = {
      id: ids.next('prm'),
      project: opening.project,
      service: opening.service,
      environment: opening.environment,
      digest: opening.digest,
      purpose: opening.purpose,
      automatic: opening.automatic,
      state: 'requested',
      requestedBy: { kind, id, name },
      reason: opening.reason,
      decisions: 0,
      verdict: undefined,
      verdictBundle: undefined,
      revision: undefined,
      outcome: '',
      requestedAt: now,
      updatedAt: now,
      concludedAt: undefined,
    };
    await store.insert(tx, promotion);
    await context.record(
      tx,
      'release.promotion.requested',
      promotion,
      { purpose: opening.purpose, reason: opening.reason },
      opening.requestedBy,
    );
    await jobs.wake(tx, promotionQueue, promotion.id);
    return promotion;
  }

  /**
   * Opens automatic promotions of a release to the environments that follow `from` (the first ones when undefined).
   * Each digest gets one per place: a refused or failed candidate is not tried again by itself.
   */
  async function openAutomatic(tx: Tx, release: Release, from: string): Promise<readonly Promotion[]> {
    const service = await store.findService(tx, release.project, release.service);
    if (service === undefined) return [];
    const opened: Promotion[] = [];
    for (const environment of context.policyOf(service).environments) {
      if (!environment.auto || environment.previous !== from) continue;
      const place = {
        project: release.project,
        service: release.service,
        environment: environment.environment,
      };
      await store.lockPlace(tx, place);
      if (await isTaken(tx, place, release)) continue;
      const reason = from === '' ? 'a new release' : `healthy in ${from}`;
      opened.push(
        await open(tx, {
          ...place,
          digest: release.digest,
          purpose: 'promote',
          automatic: true,
          requestedBy: systemActor,
          reason,
        }),
      );
    }
    return opened;
  }

  /** Whether this digest had its turn here, or something newer, or something a person asked for, is under way. */
  async function isTaken(tx: Tx, place: Place, release: Release): Promise<boolean> {
    const before = await store.listByDigest(tx, release.digest);
    if (
      before.some(
        (each) =>
          each.environment === place.environment &&
          each.service === place.service &&
          each.project === place.project,
      )
    ) {
      return true;
    }
    const active = await store.findActive(tx, place);
    if (active === undefined) return false;
    if (!active.automatic || active.purpose !== 'promote') return true;
    const other = await store.findRelease(tx, place.project, place.service, active.digest);
    return other !== undefined && other.offeredAt.getTime() > release.offeredAt.getTime();
  }

  /**
   * Opens what had to stand back while another promotion was under way: the newest release that has got as far as the
   * environment before and is newer than what is desired here.
   */
  async function openPending(tx: Tx, place: Place): Promise<void> {
    const service = await store.findService(tx, place.project, place.service);
    const policy =
      service &&
      context.policyOf(service).environments.find((each) => each.environment === place.environment);
    if (policy?.auto !== true || (await store.findActive(tx, place)) !== undefined) return;
    const desired = await context.deployments.findCurrent(tx, place);
    const current = desired && (await store.findRelease(tx, place.project, place.service, desired.digest));
    const before = { ...place, environment: policy.previous };
    for (const release of await store.listNewest(tx, place.project, place.service, maxCandidates)) {
      if (current !== undefined && release.offeredAt.getTime() <= current.offeredAt.getTime()) return;
      const arrived =
        policy.previous === '' ||
        (await context.deployments.findResidence(tx, before, release.digest))?.lastHealthyAt !== undefined;
      // The newest that has arrived has the turn; if it had one already, older ones do not get theirs by that.
      if (arrived) {
        await openAutomatic(tx, release, policy.previous);
        return;
      }
    }
  }

  return { open, openAutomatic, openPending };
}

export type Opener = ReturnType<typeof createOpener>;
