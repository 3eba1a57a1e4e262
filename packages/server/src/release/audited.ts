import { digestOf, utf8 } from '@sallyport/formats';
import type { AuditedTable } from '#platform';
import { nameOf, resourceOf } from './context.ts';
import { deploymentStore } from './deployment/store.pg.ts';
import { promotionState } from './promotion/promotion.ts';
import { promotionStore } from './store.pg.ts';
import type { Approval, Desired, Hold, Release, Service } from './store.ts';

/** The audited state of each kind of row: what is recorded with every change, and compared by `ledger verify`. */

export function serviceState(service: Service) {
  const { ociRepository, repository, definitionDigest } = service;
  // Of the row itself: the digest column beside it could stay as it was while the gates go.
  const definition = digestOf(utf8(JSON.stringify(service.definition)));
  const { definitionCommit: commit = null } = service;
  return { ociRepository, repository, definitionDigest, definition, commit };
}

export function releaseState(release: Release) {
  const { project, service, digest, commit, runId, author, offeredAt } = release;
  const { email = null, personId = null } = author;
  return {
    project,
    service,
    digest,
    commit,
    runId,
    author: { email, personId },
    at: offeredAt.toISOString(),
  };
}

export function desiredState({ digest, promotionId, published }: Desired) {
  const bundles =
    published === undefined
      ? null
      : {
          statement: digestOf(utf8(published.statement)),
          verdict: digestOf(utf8(published.verdict)),
        };
  return { digest, promotionId, published: bundles };
}

export function desiredResource(desired: Desired): string {
  return resourceOf('desired', desired, String(desired.revision));
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

/** What `ledger verify` compares with: everything here that decides what runs where, as last recorded. */
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
      kind: 'release',
      states: async (tx) =>
        (await store.listReleases(tx)).map((each) => [`release/${each.id}`, releaseState(each)] as const),
    },
    {
      kind: 'desired',
      states: async (tx) =>
        (await deploymentStore.listDesired(tx)).map(
          (each) => [desiredResource(each), desiredState(each)] as const,
        ),
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
