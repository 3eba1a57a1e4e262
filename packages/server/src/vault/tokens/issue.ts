import type { Turn } from '#journal';
import type { Core } from '../core.ts';
import { badRequest } from '../errors.ts';
import type { JsonObject } from '../fields.ts';
import { entityOfLogin } from '../identity/sign-in.ts';
import { identityOf } from '../identity/who.ts';
import { defaultTtlOf, type Mount, maxTtlOf, systemEnvironment } from '../mounts/mount.ts';
import type { TokenEntry } from './entry.ts';
import type { NewLogin } from './login.ts';
import { accessorOf, newToken } from './secret.ts';
import { addToken } from './tokens.ts';

/** A token that was just made: the only moment at which it is known. */
export interface Issued {
  readonly token: string;
  readonly entry: TokenEntry;
}

/** Makes the token of a login, and on the first one the entity behind it. */
export function issueLogin(turn: Turn, core: Core, mount: Mount, path: string, login: NewLogin): Issued {
  const entity = entityOfLogin(turn, mount, login, () => core.uuid());
  if (entity?.disabled) throw badRequest('expected an enabled entity, got a disabled one');
  const { limits } = login;
  const maxTtl = limits.maxTtl || maxTtlOf(mount);
  const ttl = limits.period || Math.min(limits.ttl || defaultTtlOf(mount), maxTtl);
  const named = login.policies.map((name) => name.toLowerCase()).filter((name) => name !== 'root');
  const policies = [...new Set(limits.noDefaultPolicy ? named : ['default', ...named])].sort();
  const type = limits.type === 'batch' || limits.type === 'default-batch' ? 'batch' : 'service';
  return issue(turn, core, {
    type,
    path,
    displayName: login.displayName,
    policies,
    meta: login.metadata,
    numUses: limits.numUses,
    orphan: true,
    entityId: entity?.id ?? '',
    ...(login.role === undefined ? {} : { role: login.role }),
    ttl: limits.explicitMaxTtl === 0 ? ttl : Math.min(ttl, limits.explicitMaxTtl),
    maxTtl,
    explicitMaxTtl: limits.explicitMaxTtl,
    period: limits.period,
    renewable: type === 'service',
    boundCidrs: limits.boundCidrs,
    environments:
      login.environments ?? (limits.environments.length > 0 ? limits.environments : environmentsOf(mount)),
  });
}

function environmentsOf({ environment }: Mount): readonly string[] {
  return environment === systemEnvironment ? ['*'] : [environment];
}

export type NewToken = Omit<TokenEntry, 'accessor' | 'createdAt' | 'expiresAt' | 'creationTtl'> & {
  /** A token somebody chose; only root may, and only one that is not taken. */
  readonly chosen?: string;
};

/** Makes a token; a TTL of 0 never ends, which is for root tokens only. */
export function issue(turn: Turn, core: Core, made: NewToken): Issued {
  const { chosen, ...facts } = made;
  const token = chosen ?? newToken(core.random, made.type);
  const accessor = accessorOf(core.tokenKey, token);
  if (accessor === undefined) throw badRequest('expected a token of 1 to 2048 characters');
  const entry: TokenEntry = {
    ...facts,
    accessor,
    createdAt: turn.now,
    creationTtl: made.ttl,
    expiresAt: made.ttl === 0 ? 0 : turn.now + made.ttl * 1000,
  };
  addToken(turn, entry);
  return { token, entry };
}

/** The `auth` of an answer. */
export function authOf(turn: Turn, { token, entry }: Issued): JsonObject {
  const identityPolicies = identityOf(turn, entry.entityId).policies;
  return {
    client_token: token,
    // A batch token has none in Vault; clients take an empty one for "cannot be renewed or looked up".
    accessor: entry.type === 'batch' ? '' : entry.accessor,
    policies: [...new Set([...entry.policies, ...identityPolicies])].sort(),
    token_policies: entry.policies,
    ...(identityPolicies.length === 0 ? {} : { identity_policies: identityPolicies }),
    metadata: Object.keys(entry.meta).length === 0 ? null : entry.meta,
    lease_duration: entry.ttl,
    renewable: entry.renewable,
    entity_id: entry.entityId,
    token_type: entry.type,
    orphan: entry.orphan,
    mfa_requirement: null,
    num_uses: entry.numUses,
  };
}
