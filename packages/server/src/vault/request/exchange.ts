import { isFault } from '@sallyport/formats';
import type { Mount as AuditedMount, Exchange, ExchangeResponse } from '../audit/exchange.ts';
import type { Reply } from '../backend.ts';
import type { Mount } from '../mounts/mount.ts';
import type { Issued } from '../tokens/issue.ts';
import type { Findings } from './admit.ts';
import type { Caller } from './caller.ts';
import type { Incoming } from './incoming.ts';

/** What a request led to, for its audit. */
export interface Outcome {
  readonly reply?: Reply;
  readonly error?: unknown;
  readonly issued?: { readonly token: Issued; readonly caller: Caller };
  readonly wrapped?: Issued;
  /** Uses the caller's token has left, when it has a limit. */
  readonly remainingUses?: number;
}

export function exchangeOf(
  request: Incoming,
  findings: Findings,
  outcome: Outcome,
  now: number,
  wallNow: number,
): Exchange {
  const { route, caller } = findings;
  return {
    requestTime: now,
    responseTime: wallNow,
    clientToken: request.token,
    caller: caller?.audited,
    policyResults: findings.allowed === undefined ? undefined : { allowed: findings.allowed, granting: [] },
    ...(outcome.remainingUses === undefined ? {} : { remainingUses: outcome.remainingUses }),
    request: {
      id: request.id,
      ...(caller === undefined || caller.token.entityId === '' ? {} : { clientId: caller.token.entityId }),
      operation: findings.verb,
      mount: route === undefined ? undefined : auditedMountOf(route.mount),
      path: request.path,
      data: request.body,
      headers: request.headers,
      remoteAddress: request.remoteAddress,
      remotePort: request.remotePort,
      ...(request.wrapSeconds === undefined ? {} : { wrapTtlSeconds: request.wrapSeconds }),
      ...(request.certificate === undefined
        ? {}
        : { clientCertificateSerial: request.certificate.serialNumber }),
    },
    response: outcome.reply === undefined ? undefined : responseOf(outcome.reply, outcome),
    ...(outcome.error === undefined ? {} : { error: textOf(outcome.error) }),
  };
}

function responseOf(reply: Reply, { issued, wrapped }: Outcome): ExchangeResponse {
  const { data } = reply;
  return {
    ...(data === undefined ? {} : { data }),
    ...(issued === undefined
      ? {}
      : {
          auth: {
            token: issued.token.token,
            caller: issued.caller.audited,
            numUses: issued.token.entry.numUses,
          },
        }),
    ...(reply.lease === undefined ? {} : { leaseId: reply.lease.id }),
    ...(wrapped === undefined
      ? {}
      : {
          wrapInfo: {
            token: wrapped.token,
            accessor: wrapped.entry.accessor,
            ttlSeconds: wrapped.entry.ttl,
            creationTime: wrapped.entry.createdAt,
            creationPath: wrapped.entry.wraps?.path ?? '',
          },
        }),
    ...(reply.warnings === undefined ? {} : { warnings: reply.warnings }),
  };
}

function textOf(error: unknown): string {
  return isFault(error) ? error.message || error.code : 'internal error';
}

const audited = new WeakMap<Mount, AuditedMount>();

function auditedMountOf(mount: Mount): AuditedMount {
  let found = audited.get(mount);
  if (found === undefined) {
    found = {
      point: mount.path,
      type: mount.type,
      accessor: mount.accessor,
      class: mount.kind === 'auth' ? 'auth' : 'secret',
      clearRequestKeys: new Set(mount.config.auditNonHmacRequestKeys),
      clearResponseKeys: new Set(mount.config.auditNonHmacResponseKeys),
    };
    audited.set(mount, found);
  }
  return found;
}
