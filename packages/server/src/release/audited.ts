import type { AuditedTable } from '#platform';
import { nameOf, resourceOf } from './context.ts';
import { promotionState } from './promotion/promotion.ts';
import { promotionStore } from './store.pg.ts';
import type { Approval, Hold, Service } from './store.ts';

/** The audited state of each kind of row: what is recorded with every change, and compared by `ledger verify`. */

export function serviceState(service: Service) {
  const { ociRepository, repository, definitionDigest } = service;
  return { ociRepository, repository, definitionDigest };
}

export function approvalState(approval: Approval) {
  const { project, service, environment, digest, person, name, groups, comment, approvedAt } = approval;
  const at = approvedAt.toISOString();
  return { project, service, environment, digest, person, name, groups: [...groups], comment, at };
}

export function holdState(hold: Hold) {
  const { kind, id } = hold.actor;
  return { actor: { kind, id }, reason: hold.reason, since: hold.since.toISOString() };
}

/** What `ledger verify` compares with: promotions, approvals, holds and declarations, as last recorded. */
export function releaseAudited(): AuditedTable[] {
  const store = promotionStore;
  return [
    {
      kind: 'promotion',
      states: async (tx) =>
        (await store.listPromotions(tx)).map(
          (each) => [`promotion/${each.id}`, promotionState(each)] as const,
        ),
    },
    {
      kind: 'approval',
      states: async (tx) =>
        (await store.listApprovals(tx)).map((each) => [`approval/${each.id}`, approvalState(each)] as const),
    },
    {
      kind: 'hold',
      states: async (tx) =>
        (await store.listHolds(tx)).map((each) => [resourceOf('hold', each), holdState(each)] as const),
    },
    {
      kind: 'service',
      states: async (tx) =>
        (await store.listServices(tx)).map(
          (each) => [`service/${nameOf(each)}`, serviceState(each)] as const,
        ),
    },
  ];
}
