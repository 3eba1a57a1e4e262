import type { Call } from '../../backend.ts';
import type { JsonObject } from '../../fields.ts';
import { identityOf } from '../../identity/who.ts';
import type { TokenEntry } from '../../tokens/entry.ts';

/** A token as lookups show it. `id` is the token itself where the caller gave it, empty where they only know the accessor. */
export function describeToken(call: Call, entry: TokenEntry, id: string): JsonObject {
  const { policies } = identityOf(call.turn, entry.entityId);
  return {
    accessor: entry.accessor,
    creation_time: Math.floor(entry.createdAt / 1000),
    creation_ttl: entry.creationTtl,
    display_name: entry.displayName,
    entity_id: entry.entityId,
    environments: entry.environments,
    expire_time: entry.expiresAt === 0 ? null : new Date(entry.expiresAt).toISOString(),
    explicit_max_ttl: entry.explicitMaxTtl,
    id,
    ...(policies.length === 0 ? {} : { identity_policies: policies }),
    issue_time: new Date(entry.createdAt).toISOString(),
    ...(entry.renewedAt === undefined
      ? {}
      : {
          last_renewal: new Date(entry.renewedAt).toISOString(),
          last_renewal_time: Math.floor(entry.renewedAt / 1000),
        }),
    meta: Object.keys(entry.meta).length === 0 ? null : entry.meta,
    num_uses: entry.numUses,
    orphan: entry.orphan,
    path: entry.path,
    ...(entry.period === 0 ? {} : { period: entry.period }),
    policies: entry.policies,
    renewable: entry.renewable,
    ...(entry.role === undefined ? {} : { role: entry.role }),
    ...(entry.boundCidrs.length === 0 ? {} : { bound_cidrs: entry.boundCidrs }),
    ttl: remainingSeconds(entry, call.now),
    type: entry.type,
  };
}

/** Seconds a token has left; 0 for one without end, as Vault shows it. */
export function remainingSeconds(entry: TokenEntry, now: number): number {
  return entry.expiresAt === 0 ? 0 : Math.max(0, Math.round((entry.expiresAt - now) / 1000));
}
