import { timingSafeEqual } from 'node:crypto';
import { Fault, SecretBytes } from '@sallyport/formats';
import type { Actor, Audit, Clock, Db, Ids, Random, Tx } from '#platform';
import { nameSet, type Principal } from '../people/principal.ts';
import { peopleStore } from '../people/store.pg.ts';
import { assertMayGrant } from '../policy/grantable.ts';
import { tokenStore } from './store.pg.ts';
import {
  formatToken,
  hashToken,
  type IssuedToken,
  type Token,
  tokenBytes,
  tokenResource,
  tokenState,
  unauthenticated,
} from './token.ts';

export interface NewToken {
  readonly principalId: string;
  /** A subset of the principal's; all of them when absent. */
  readonly policies?: readonly string[];
  readonly ttlSeconds: number;
  readonly description?: string;
}

export interface Tokens {
  createToken(actor: Actor, token: NewToken): Promise<IssuedToken>;
  /** Like `createToken`, in the caller's transaction. */
  addToken(
    tx: Tx,
    actor: Actor,
    principal: Principal,
    token: Omit<NewToken, 'principalId'>,
  ): Promise<IssuedToken>;
  /** Effective at once, on every replica. Revoking twice is no error. */
  revokeToken(actor: Actor, accessor: string): Promise<void>;
  lookupToken(accessor: string): Promise<Token>;
  listTokens(principalId?: string): Promise<readonly Token[]>;
  authenticateToken(text: string): Promise<Actor>;
}

const maxTtlSeconds = 366 * 24 * 3600;
/** `lastUsedAt` is for finding forgotten tokens; one write a minute is enough for that, one per request is not cheap. */
const touchEverySeconds = 60;

export interface TokensDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
}

export function createTokens(deps: TokensDeps): Tokens {
  const { db, audit, clock, random, ids } = deps;

  const addToken: Tokens['addToken'] = async (tx, actor, principal, wanted) => {
    if (
      !Number.isSafeInteger(wanted.ttlSeconds) ||
      wanted.ttlSeconds < 1 ||
      wanted.ttlSeconds > maxTtlSeconds
    )
      throw new Fault(
        'invalid',
        'identity.ttl_invalid',
        `expected a lifetime of 1 to ${maxTtlSeconds} seconds, got ${wanted.ttlSeconds}`,
      );
    const policies = nameSet(wanted.policies ?? principal.policies, 'policies');
    const beyond = policies.filter((name) => !principal.policies.includes(name));
    if (beyond.length > 0)
      throw new Fault(
        'invalid',
        'identity.policy_not_held',
        `${principal.id} does not hold "${beyond.join('", "')}"`,
      );
    assertMayGrant(actor, { policies, groups: principal.groups });
    const text = formatToken(random.bytes(tokenBytes));
    const now = clock.now();
    const token: Token = {
      accessor: ids.next('tok'),
      hash: hashToken(text),
      principalId: principal.id,
      policies,
      description: (wanted.description ?? '').slice(0, 200),
      createdAt: now,
      expiresAt: new Date(now.getTime() + wanted.ttlSeconds * 1000),
      revokedAt: undefined,
      lastUsedAt: undefined,
    };
    await tokenStore.insert(tx, token);
    await audit.record(tx, {
      type: 'identity.token.created',
      actor,
      resource: tokenResource(token),
      state: tokenState(token),
    });
    return { accessor: token.accessor, token: SecretBytes.fromUtf8(text), expiresAt: token.expiresAt };
  };

  return {
    addToken,

    createToken: (actor, wanted) =>
      db.write(async (tx) => {
        const principal = await peopleStore.findForUpdate(tx, wanted.principalId);
        if (principal === undefined || principal.disabled)
          throw new Fault(
            'not_found',
            'identity.principal_unknown',
            `expected an enabled principal, found none with id "${wanted.principalId.slice(0, 80)}"`,
          );
        return await addToken(tx, actor, principal, wanted);
      }),

    revokeToken: (actor, accessor) =>
      db.write(async (tx) => {
        const revoked = await tokenStore.revoke(tx, accessor, clock.now());
        const token = await tokenStore.find(tx, accessor);
        if (token === undefined) throw noToken(accessor);
        if (!revoked) return;
        await audit.record(tx, {
          type: 'identity.token.revoked',
          actor,
          resource: tokenResource(token),
          state: tokenState(token),
        });
      }),

    async lookupToken(accessor) {
      const token = await db.read((tx) => tokenStore.find(tx, accessor));
      if (token === undefined) throw noToken(accessor);
      return token;
    },

    listTokens: (principalId) => db.read((tx) => tokenStore.list(tx, principalId)),

    async authenticateToken(text) {
      const hash = hashToken(text);
      const now = clock.now();
      const found = await db.read(async (tx) => {
        const token = await tokenStore.findByHash(tx, hash);
        const principal = token === undefined ? undefined : await peopleStore.find(tx, token.principalId);
        return token === undefined || principal === undefined ? undefined : { token, principal };
      });
      // The index compares as it likes; the answer rests on this comparison, which takes the same time for all.
      if (found === undefined || !timingSafeEqual(found.token.hash, hash)) throw unauthenticated();
      const { token, principal } = found;
      if (token.revokedAt !== undefined || token.expiresAt <= now || principal.disabled)
        throw unauthenticated();
      if (
        token.lastUsedAt === undefined ||
        now.getTime() - token.lastUsedAt.getTime() >= touchEverySeconds * 1000
      )
        await db.write((tx) => tokenStore.touch(tx, token.accessor, now));
      return {
        kind: principal.kind,
        id: principal.id,
        name: principal.name,
        policies: token.policies.filter((name) => principal.policies.includes(name)),
        groups: principal.groups,
        signedInUntil: token.expiresAt,
      };
    },
  };
}

function noToken(accessor: string): Fault {
  return new Fault(
    'not_found',
    'identity.token_unknown',
    `expected a token, found none with accessor "${accessor.slice(0, 80)}"`,
  );
}
