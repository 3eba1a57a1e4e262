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
  readonly reply?: Reply | undefined;
  readonly error?: unknown;
  readonly issued?: { readonly token: Issued; readonly caller: Caller } | undefined;
  readonly wrapped?: Issued | undefined;
  /** Uses the caller's token has left, when it has a limit. */
  readonly remainingUses?: number | undefined;
}

export function exchangeOf(
  request: Incoming,
  findings: Findings,
  outcome: Outcome,
  now: number,
  wallNow: number,
): Exchange {
  const { route, caller, allowed } = findings;
  return {
    requestTime: now,
    responseTime: wallNow,
    clientToken: request.token,
    caller: caller?.audited,
    policyResults: allowed === undefined ? undefined : { allowed, granting: [] },
    remainingUses: outcome.remainingUses,
    request: {
      id: request.id,
      clientId: caller?.token.entityId,
      operation: findings.verb,
      mount: route === undefined ? undefined : auditedMountOf(route.mount),
      path: request.path,
      data: request.body,
      headers: request.headers,
      remoteAddress: request.remoteAddress,
      remotePort: request.remotePort,
      wrapTtlSeconds: request.wrapSeconds,
      clientCertificateSerial: request.certificate?.serialNumber,
    },
    response: outcome.reply === undefined ? undefined : responseOf(outcome.reply, outcome),
    error: outcome.error === undefined ? undefined : textOf(outcome.error),
  };
}

function responseOf({ data, lease, warnings }: Reply, { issued, wrapped }: Outcome): ExchangeResponse {
  return {
    data,
    auth:
      issued === undefined
        ? undefined
        : {
            token: issued.token.token,
            caller: issued.caller.audited,
            numUses: issued.token.entry.numUses,
          },
    leaseId: lease?.id,
    wrapInfo:
      wrapped === undefined
        ? undefined
        : {
            token: wrapped.token,
            accessor: wrapped.entry.accessor,
            ttlSeconds: wrapped.entry.ttl,
            creationTime: wrapped.entry.createdAt,
            creationPath: wrapped.entry.wraps?.path ?? '',
          },
    warnings,
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
