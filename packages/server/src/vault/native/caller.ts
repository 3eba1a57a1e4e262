import type { Turn } from '#journal';
import type { Actor } from '#platform';
import { findEntityByAlias } from '../identity/entities.ts';
import { compileAcl } from '../policy/acl.ts';
import type { Caller } from '../request/caller.ts';
import type { TokenEntry } from '../tokens/entry.ts';
import { signInMount } from './sign-in-mount.ts';

/** Who asks by the native interface, which has authorised them: audit and inventory name them by this. */
export type NativeActor = Pick<Actor, 'kind' | 'id' | 'name'>;

/** No token is made at such a path. */
const nativePath = 'native';

/**
 * The caller of a native request. It has no rights of Vault's kind, so whatever an engine tells only to those who may
 * know, such as where else a value is, stays untold.
 */
export function nativeCaller(turn: Turn, by: NativeActor, environment: string): Caller {
  const mount = signInMount(turn);
  const entityId = mount === undefined ? '' : (findEntityByAlias(turn, mount.accessor, by.id)?.id ?? '');
  const token: TokenEntry = {
    // Longer than any accessor, so it names nobody's token.
    accessor: `native:${by.kind}:${by.id}`,
    type: 'service',
    path: nativePath,
    displayName: by.name,
    policies: [],
    meta: { actor_kind: by.kind, actor_id: by.id },
    numUses: 0,
    orphan: true,
    entityId,
    createdAt: turn.now,
    expiresAt: 0,
    ttl: 0,
    creationTtl: 0,
    maxTtl: 0,
    explicitMaxTtl: 0,
    period: 0,
    renewable: false,
    boundCidrs: [],
    environments: [environment],
  };
  return {
    token,
    acl: compileAcl([]),
    isRoot: false,
    barred: false,
    policies: [],
    identityPolicies: [],
    audited: {
      accessor: token.accessor,
      displayName: by.name,
      policies: [],
      tokenPolicies: [],
      identityPolicies: [],
      noDefaultPolicy: true,
      metadata: token.meta,
      entityId,
      tokenType: 'service',
      ttlSeconds: 0,
      issueTime: turn.now,
    },
  };
}

/** Who a version says it was written by: a stable id where there is one, else what audit calls the caller. */
export function writerOf(caller: Caller | undefined): string {
  if (caller === undefined) return '';
  const { token } = caller;
  return token.path === nativePath ? (token.meta['actor_id'] ?? '') : token.displayName;
}
