import type { Definition } from '@sallyport/contract';
import { parseDigest } from '@sallyport/formats';
import type { Actor } from '#platform';
import type { Verdict } from './policy/decide.ts';
import type { Place, Promotion, PromotionState, Purpose } from './promotion/promotion.ts';
import type { Approval, Hold, Release, Service } from './store.ts';

/** How the rows of the promotion tables read as domain types. */

export interface ServiceRow {
  project: string;
  service: string;
  oci_repository: string;
  repository: string;
  definition: unknown;
  definition_digest: string;
  definition_commit: string | null;
  declared_at: Date;
}
export interface ReleaseRow {
  id: string;
  project: string;
  service: string;
  digest: string;
  commit: string;
  run_id: string;
  author_email: string | null;
  author_id: string | null;
  offered_at: Date;
}
export interface PromotionRow {
  id: string;
  project: string;
  service: string;
  environment: string;
  digest: string;
  purpose: string;
  automatic: boolean;
  state: string;
  actor_kind: string;
  actor_id: string;
  actor_name: string;
  reason: string;
  decisions: number;
  verdict: unknown;
  verdict_bundle: string | null;
  revision: number | null;
  outcome: string;
  requested_at: Date;
  updated_at: Date;
  concluded_at: Date | null;
}
export interface ApprovalRow {
  id: string;
  project: string;
  service: string;
  environment: string;
  digest: string;
  person: string;
  name: string;
  groups: unknown;
  comment: string;
  approved_at: Date;
  sealed_at: Date | null;
}
export interface HoldRow {
  project: string;
  service: string;
  environment: string;
  actor_kind: string;
  actor_id: string;
  reason: string;
  since: Date;
}

export const at = (place: Place) => ({
  project: place.project,
  service: place.service,
  environment: place.environment,
});

export function toService(row: ServiceRow): Service {
  return {
    project: row.project,
    service: row.service,
    ociRepository: row.oci_repository,
    repository: row.repository,
    // Checked against the schema and compiled before it was stored. `json`, not `jsonb`: the order of environments counts.
    definition: row.definition as Definition,
    definitionDigest: parseDigest(row.definition_digest),
    ...(row.definition_commit === null ? {} : { definitionCommit: row.definition_commit }),
    declaredAt: row.declared_at,
  };
}

export function toRelease(row: ReleaseRow): Release {
  return {
    id: row.id,
    project: row.project,
    service: row.service,
    digest: parseDigest(row.digest),
    commit: row.commit,
    runId: row.run_id,
    author: { email: row.author_email ?? undefined, personId: row.author_id ?? undefined },
    offeredAt: row.offered_at,
  };
}

export function promotionRow(promotion: Promotion): PromotionRow {
  return {
    id: promotion.id,
    ...at(promotion),
    digest: promotion.digest,
    purpose: promotion.purpose,
    automatic: promotion.automatic,
    state: promotion.state,
    actor_kind: promotion.requestedBy.kind,
    actor_id: promotion.requestedBy.id,
    actor_name: promotion.requestedBy.name,
    reason: promotion.reason,
    decisions: promotion.decisions,
    verdict: promotion.verdict === undefined ? null : JSON.stringify(promotion.verdict),
    verdict_bundle: promotion.verdictBundle ?? null,
    revision: promotion.revision ?? null,
    outcome: promotion.outcome,
    requested_at: promotion.requestedAt,
    updated_at: promotion.updatedAt,
    concluded_at: promotion.concludedAt ?? null,
  };
}

export function toPromotion(row: PromotionRow): Promotion {
  return {
    id: row.id,
    ...at(row),
    digest: parseDigest(row.digest),
    // The columns hold what `promotionRow` wrote.
    purpose: row.purpose as Purpose,
    automatic: row.automatic,
    state: row.state as PromotionState,
    requestedBy: { kind: row.actor_kind as Actor['kind'], id: row.actor_id, name: row.actor_name },
    reason: row.reason,
    decisions: row.decisions,
    verdict: (row.verdict ?? undefined) as Verdict | undefined,
    verdictBundle: row.verdict_bundle === null ? undefined : parseDigest(row.verdict_bundle),
    revision: row.revision ?? undefined,
    outcome: row.outcome,
    requestedAt: row.requested_at,
    updatedAt: row.updated_at,
    concludedAt: row.concluded_at ?? undefined,
  };
}

export function toApproval(row: ApprovalRow): Approval {
  return {
    id: row.id,
    ...at(row),
    digest: parseDigest(row.digest),
    person: row.person,
    name: row.name,
    groups: row.groups as readonly string[],
    comment: row.comment,
    approvedAt: row.approved_at,
    sealedAt: row.sealed_at ?? undefined,
  };
}

export function toHold(row: HoldRow): Hold {
  return {
    ...at(row),
    actor: { kind: row.actor_kind as Actor['kind'], id: row.actor_id },
    reason: row.reason,
    since: row.since,
  };
}
