import type { Turn } from '#journal';
import type { Caller as AuditedCaller } from '../audit/exchange.ts';
import { identityOf, type Who } from '../identity/who.ts';
import { findPolicy, rootPolicyName, type StoredPolicy } from '../policies/store.ts';
import { type Acl, compileAcl } from '../policy/acl.ts';
import { rootPolicy } from '../policy/policy.ts';
import type { TokenEntry } from '../tokens/entry.ts';

/** Whoever holds a valid token, and what they may do at this moment. */
export interface Caller {
  readonly token: TokenEntry;
  readonly acl: Acl;
  readonly isRoot: boolean;
  /** The entity of its token was disabled or deleted: then the token is no better than none. */
  readonly barred: boolean;
  /** Names of the token's policies and of those its identity brings. */
  readonly policies: readonly string[];
  readonly identityPolicies: readonly string[];
  /** What audit says of them: one object as long as nothing changes. */
  readonly audited: AuditedCaller;
}

/** A caller with everything it was made from: still current if each of that is the same object. */
interface Remembered {
  readonly identity: Pick<Who, 'entity' | 'groups'>;
  readonly policies: readonly (StoredPolicy | undefined)[];
  readonly caller: Caller;
}

/** By entry: a changed token is another entry, and a revoked one takes its memory along. */
const remembered = new WeakMap<TokenEntry, Remembered>();

/** Reads policies and identity as they are in this turn; compiled rules are used again while none of them changed. */
export function callerOf(turn: Turn, token: TokenEntry): Caller {
  const identity = identityOf(turn, token.entityId);
  const before = remembered.get(token);
  if (before !== undefined && isCurrent(turn, before, identity)) return before.caller;

  const names = [...new Set([...token.policies, ...identity.policies])];
  const policies = names.map((name) => findPolicy(turn, name));
  const isRoot = token.policies.includes(rootPolicyName);
  const present = policies.filter((policy): policy is StoredPolicy => policy !== undefined);
  // When it is first asked for: the token of a login is audited now and used later, perhaps by another server.
  let acl: Acl | undefined;
  const caller: Caller = {
    token,
    isRoot,
    barred: token.entityId !== '' && identity.entity === undefined,
    get acl() {
      acl ??= isRoot
        ? compileAcl([rootPolicy])
        : compileAcl(
            present.map((policy) => policy.parsed),
            identity.template,
          );
      return acl;
    },
    policies: names,
    identityPolicies: identity.policies,
    audited: {
      accessor: token.accessor,
      displayName: token.displayName,
      policies: names,
      tokenPolicies: token.policies,
      identityPolicies: identity.policies,
      noDefaultPolicy: !token.policies.includes('default'),
      metadata: token.meta,
      entityId: token.entityId,
      tokenType: token.type,
      ttlSeconds: token.ttl,
      issueTime: token.createdAt,
    },
  };
  remembered.set(token, { identity, policies, caller });
  return caller;
}

/** Asked for each request, so it makes nothing. */
function isCurrent(turn: Turn, { identity, policies, caller }: Remembered, now: Who): boolean {
  if (identity.entity !== now.entity || identity.groups.length !== now.groups.length) return false;
  for (const [index, group] of now.groups.entries()) if (identity.groups[index] !== group) return false;
  // The same token and the same identity bring the same names.
  let index = 0;
  for (const name of caller.policies) {
    if (findPolicy(turn, name) !== policies[index]) return false;
    index += 1;
  }
  return true;
}
