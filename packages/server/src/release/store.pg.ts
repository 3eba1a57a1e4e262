import { Fault } from '@sallyport/formats';
import { sql } from 'kysely';
import { tablesOf } from '#platform';
import type { PromotionState } from './promotion/promotion.ts';
import {
  type ApprovalRow,
  at,
  type HoldRow,
  type PromotionRow,
  promotionRow,
  type ReleaseRow,
  type ServiceRow,
  toApproval,
  toHold,
  toPromotion,
  toRelease,
  toService,
} from './rows.ts';
import type { PromotionStore } from './store.ts';

interface Tables {
  release_services: ServiceRow;
  release_releases: ReleaseRow;
  release_promotions: PromotionRow;
  release_approvals: ApprovalRow;
  release_holds: HoldRow;
}

const active: readonly PromotionState[] = ['requested', 'deciding', 'waiting', 'held', 'sealed', 'deployed'];

export const promotionStore: PromotionStore = {
  async lockPlace(tx, { project, service, environment }) {
    const name = `release/${project}/${service}/${environment}`;
    await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(tx);
  },

  async putService(tx, service) {
    const row: ServiceRow = {
      project: service.project,
      service: service.service,
      oci_repository: service.ociRepository,
      repository: service.repository,
      definition: JSON.stringify(service.definition),
      definition_digest: service.definitionDigest,
      definition_commit: service.definitionCommit ?? null,
      declared_at: service.declaredAt,
    };
    await tablesOf<Tables>(tx)
      .insertInto('release_services')
      .values(row)
      .onConflict((conflict) => conflict.columns(['project', 'service']).doUpdateSet(row))
      .execute();
  },
  async findService(tx, project, service) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_services')
      .selectAll()
      .where('project', '=', project)
      .where('service', '=', service)
      .executeTakeFirst();
    return row && toService(row);
  },
  async listServices(tx, project) {
    let query = tablesOf<Tables>(tx).selectFrom('release_services').selectAll();
    if (project !== undefined) query = query.where('project', '=', project);
    return (await query.orderBy('project').orderBy('service').execute()).map(toService);
  },

  async insertRelease(tx, release) {
    const inserted = await tablesOf<Tables>(tx)
      .insertInto('release_releases')
      .values({
        id: release.id,
        project: release.project,
        service: release.service,
        digest: release.digest,
        commit: release.commit,
        run_id: release.runId,
        author_email: release.author.email ?? null,
        author_id: release.author.personId ?? null,
        offered_at: release.offeredAt,
      })
      .onConflict((conflict) => conflict.columns(['project', 'service', 'digest']).doNothing())
      .returning('id')
      .execute();
    return inserted.length === 1;
  },
  async findRelease(tx, project, service, digest) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_releases')
      .selectAll()
      .where('project', '=', project)
      .where('service', '=', service)
      .where('digest', '=', digest)
      .executeTakeFirst();
    return row && toRelease(row);
  },
  async listReleases(tx, digest) {
    let query = tablesOf<Tables>(tx).selectFrom('release_releases').selectAll();
    if (digest !== undefined) query = query.where('digest', '=', digest);
    return (await query.orderBy('offered_at').orderBy('id').execute()).map(toRelease);
  },

  async listNewest(tx, project, service, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('release_releases')
      .selectAll()
      .where('project', '=', project)
      .where('service', '=', service)
      .orderBy('offered_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(toRelease);
  },

  async insert(tx, promotion) {
    await tablesOf<Tables>(tx).insertInto('release_promotions').values(promotionRow(promotion)).execute();
  },
  async update(tx, promotion) {
    await tablesOf<Tables>(tx)
      .updateTable('release_promotions')
      .set(promotionRow(promotion))
      .where('id', '=', promotion.id)
      .execute();
  },
  async find(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_promotions')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && toPromotion(row);
  },
  async getForUpdate(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_promotions')
      .selectAll()
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) {
      throw new Fault('not_found', 'release.promotion_unknown', `expected a promotion, got ${id}`);
    }
    return toPromotion(row);
  },
  async findActive(tx, place) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_promotions')
      .selectAll()
      .where((eb) => eb.and(at(place)))
      .where('state', 'in', active)
      .executeTakeFirst();
    return row && toPromotion(row);
  },
  async findByRevision(tx, place, revision) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_promotions')
      .selectAll()
      .where((eb) => eb.and(at(place)))
      .where('revision', '=', revision)
      .executeTakeFirst();
    return row && toPromotion(row);
  },
  async listAt(tx, place, limit) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('release_promotions')
      .selectAll()
      .where((eb) => eb.and(at(place)))
      .orderBy('requested_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(toPromotion);
  },
  async listByDigest(tx, digest) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('release_promotions')
      .selectAll()
      .where('digest', '=', digest)
      .orderBy('requested_at')
      .orderBy('id')
      .execute();
    return rows.map(toPromotion);
  },
  async listPromotions(tx, project, limit) {
    let query = tablesOf<Tables>(tx).selectFrom('release_promotions').selectAll();
    if (project !== undefined) query = query.where('project', '=', project);
    query = query.orderBy('requested_at', 'desc').orderBy('id', 'desc');
    if (limit !== undefined) query = query.limit(limit);
    return (await query.execute()).map(toPromotion);
  },
  async listUnfinished(tx) {
    const rows = await tablesOf<Tables>(tx)
      .selectFrom('release_promotions')
      .select('id')
      .where((eb) =>
        eb.or([
          eb('state', 'in', ['requested', 'deciding', 'sealed']),
          eb.and([eb('state', 'in', ['healthy', 'failed', 'refused']), eb('concluded_at', 'is', null)]),
        ]),
      )
      .orderBy('requested_at')
      .execute();
    return rows.map((row) => row.id);
  },

  async insertApproval(tx, approval) {
    const inserted = await tablesOf<Tables>(tx)
      .insertInto('release_approvals')
      .values({
        id: approval.id,
        ...at(approval),
        digest: approval.digest,
        person: approval.person,
        name: approval.name,
        groups: JSON.stringify(approval.groups),
        comment: approval.comment,
        approved_at: approval.approvedAt,
        sealed_at: null,
      })
      .onConflict((conflict) =>
        conflict.columns(['project', 'service', 'environment', 'digest', 'person']).doNothing(),
      )
      .returning('id')
      .execute();
    return inserted.length === 1;
  },
  async getApproval(tx, id) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_approvals')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    return toApproval(row);
  },
  async setApprovalSealed(tx, id, sealedAt) {
    await tablesOf<Tables>(tx)
      .updateTable('release_approvals')
      .set({ sealed_at: sealedAt })
      .where('id', '=', id)
      .execute();
  },
  async listApprovals(tx, digest) {
    let query = tablesOf<Tables>(tx).selectFrom('release_approvals').selectAll();
    if (digest !== undefined) query = query.where('digest', '=', digest);
    return (await query.orderBy('approved_at').orderBy('id').execute()).map(toApproval);
  },

  async putHold(tx, hold) {
    const row: HoldRow = {
      ...at(hold),
      actor_kind: hold.actor.kind,
      actor_id: hold.actor.id,
      reason: hold.reason,
      since: hold.since,
    };
    await tablesOf<Tables>(tx)
      .insertInto('release_holds')
      .values(row)
      .onConflict((conflict) => conflict.columns(['project', 'service', 'environment']).doUpdateSet(row))
      .execute();
  },
  async deleteHold(tx, place) {
    const deleted = await tablesOf<Tables>(tx)
      .deleteFrom('release_holds')
      .where((eb) => eb.and(at(place)))
      .returning('project')
      .execute();
    return deleted.length > 0;
  },
  async findHold(tx, place) {
    const row = await tablesOf<Tables>(tx)
      .selectFrom('release_holds')
      .selectAll()
      .where((eb) => eb.and(at(place)))
      .executeTakeFirst();
    return row && toHold(row);
  },
  async listHolds(tx) {
    return (await tablesOf<Tables>(tx).selectFrom('release_holds').selectAll().execute()).map(toHold);
  },
};
