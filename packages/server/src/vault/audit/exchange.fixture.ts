import { createHmac } from 'node:crypto';
import { createEntryFormat, type EntryFormat, type EntryOptions } from './entry.ts';
import type { Caller, Exchange, Mount } from './exchange.ts';
import { createAuditSalt } from './salt.ts';

export const saltBytes = new Uint8Array(32).map((_, i) => i + 1);

/** What the devices' hash is by definition, from the runtime's own HMAC. */
export function hmacOf(value: string | Uint8Array): string {
  return `hmac-sha256:${createHmac('sha256', saltBytes).update(value).digest('hex')}`;
}

export const caller: Caller = {
  accessor: 'accessor-1',
  displayName: 'approle-orders',
  policies: ['default', 'orders'],
  tokenPolicies: ['default', 'orders'],
  identityPolicies: [],
  noDefaultPolicy: false,
  metadata: { role_name: 'orders' },
  entityId: 'entity-1',
  tokenType: 'service',
  ttlSeconds: 3600,
  issueTime: Date.UTC(2026, 10, 20, 9, 0, 0, 250),
};

export const mount: Mount = {
  point: 'secret/',
  type: 'kv',
  accessor: 'kv_1f2e3d4c',
  class: 'secret',
  clearRequestKeys: new Set(),
  clearResponseKeys: new Set(),
};

export function exchange(changes: Partial<Exchange> = {}): Exchange {
  return {
    requestTime: Date.UTC(2026, 10, 20, 10, 0, 0, 1),
    responseTime: Date.UTC(2026, 10, 20, 10, 0, 0, 3),
    clientToken: 'hvs.the-token',
    caller,
    policyResults: { allowed: true, granting: [{ name: 'orders', type: 'acl' }] },
    request: {
      id: 'request-1',
      clientId: 'entity-1',
      operation: 'read',
      mount,
      path: 'secret/data/orders/db',
      headers: {},
      remoteAddress: '127.0.0.1',
      remotePort: 43210,
    },
    response: {},
    ...changes,
  };
}

export function format(options: Partial<EntryOptions> = {}): EntryFormat {
  return createEntryFormat({
    salt: createAuditSalt(saltBytes),
    hmacAccessor: true,
    elideListResponses: false,
    headers: () => new Map(),
    ...options,
  });
}

/** The parsed line of the answer to `data`, of a mount with these clear keys. */
export function answerOf(data: unknown, clear: readonly string[] = [], entries = format()): string {
  const { response } = entries.lines(
    exchange({
      request: { ...exchange().request, mount: { ...mount, clearResponseKeys: new Set(clear) } },
      response: { data },
    }),
  );
  return response.toString('latin1');
}
