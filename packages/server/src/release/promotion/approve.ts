import { Fault } from '@sallyport/formats';
import type { Actor } from '#platform';
import { approvalStatement } from '#signing';
import { approvalState } from '../audited.ts';
import { approvalQueue, type Context, nameOf, promotionQueue, resourceOf } from '../context.ts';
import type { Approval } from '../store.ts';
import { placeOf } from './advance.ts';
import type { PromotionRequest } from './promotion.ts';
import { reasonOf } from './reason.ts';

/** People's agreements: recorded first, then sealed as evidence by the same code that resumes after a crash. */
export function createApprovals(context: Context) {
  const { db, store, clock, ids, jobs, audit, signing } = context;

  /**
   * A person's agreement to this digest in this environment. It is evidence of its own and counts for whichever
   * promotion asks; whether it counts (who, which group, four eyes) the gate decides.
   */
  async function approve(actor: Actor, request: PromotionRequest): Promise<Approval> {
    if (actor.kind !== 'person') {
      throw new Fault(
        'denied',
        'release.approval_person',
        `expected a person to approve, got a ${actor.kind}`,
        {
          hint: 'approvals are by people: log in with sally login',
        },
      );
    }
    const approval = await db.write(async (tx) => {
      await context.resolve(tx, request);
      const fresh: Approval = {
        id: ids.next('apr'),
        ...placeOf(request),
        digest: request.digest,
        person: actor.id,
        name: actor.name,
        groups: [...actor.groups],
        comment: reasonOf(request.reason),
        approvedAt: clock.now(),
        sealedAt: undefined,
      };
      if (!(await store.insertApproval(tx, fresh))) {
        const mine = (await store.listApprovals(tx, request.digest)).find(
          (each) => each.person === actor.id && resourceOf('x', each) === resourceOf('x', request),
        );
        if (mine === undefined) throw new Fault('internal', 'release.approval_lost', 'expected the approval');
        return mine;
      }
      await audit.record(tx, {
        type: 'release.promotion.approved',
        actor: { kind: actor.kind, id: actor.id },
        resource: `approval/${fresh.id}`,
        state: approvalState(fresh),
        detail: { digest: fresh.digest, environment: fresh.environment },
      });
      await jobs.wake(tx, approvalQueue, fresh.id);
      return fresh;
    });
    await sealApproval(approval.id);
    return approval;
  }

  /** Seals an approval and wakes what waits for it; repeated by the queue when a crash came between. */
  async function sealApproval(id: string): Promise<void> {
    const { approval, service, active } = await db.read(async (tx) => {
      const found = await store.getApproval(tx, id);
      await context.assertRecorded(tx, `approval/${id}`, approvalState(found));
      return {
        approval: found,
        service: await store.findService(tx, found.project, found.service),
        active: await store.findActive(tx, found),
      };
    });
    if (approval.sealedAt !== undefined) return;
    const key = `approval/${approval.id}`;
    const sealed = await signing.find(key);
    if (sealed === undefined) {
      const promotionId = active?.digest === approval.digest ? active.id : 'none';
      await signing.seal({
        key,
        subject: { name: nameOf(approval), digest: approval.digest },
        ...approvalStatement({
          ...placeOf(approval),
          promotionId,
          decision: 'approved',
          person: { id: approval.person, name: approval.name, groups: [...approval.groups] },
          ...(approval.comment === '' ? {} : { reason: approval.comment }),
          at: approval.approvedAt.toISOString(),
        }),
        ...(service === undefined ? {} : { ociRepository: service.ociRepository }),
      });
    }
    await db.write(async (tx) => {
      await store.setApprovalSealed(tx, id, clock.now());
      const waiting = await store.findActive(tx, approval);
      if (waiting?.digest === approval.digest) await jobs.wake(tx, promotionQueue, waiting.id);
    });
  }

  return { approve, sealApproval };
}
