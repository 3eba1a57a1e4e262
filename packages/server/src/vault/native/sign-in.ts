import { Fault, SecretBytes } from '@sallyport/formats';
import type { Turn } from '#journal';
import type { Audited } from '../audit/audited.ts';
import type { Core } from '../core.ts';
import { isVersionedKv } from '../mounts/mount.ts';
import { mountsOf } from '../mounts/table.ts';
import { findPolicy, putPolicy } from '../policies/store.ts';
import { noFindings } from '../request/admit.ts';
import { callerOf } from '../request/caller.ts';
import { exchangeOf } from '../request/exchange.ts';
import { issueLogin } from '../tokens/issue.ts';
import { incomingOf } from './ask.ts';
import type { NativeActor } from './caller.ts';
import { makeSignInMount } from './sign-in-mount.ts';

/** What a native identity may do by Vault's interface. */
export interface NativeRights {
  /** Kept under this name, and replaced when the text is another one. */
  readonly policy: { readonly name: string; readonly text: string };
  /** The environments whose mounts the token reaches; `*` is all. */
  readonly environments: readonly string[];
}

export interface NativeToken {
  readonly token: SecretBytes;
  readonly accessor: string;
  readonly policies: readonly string[];
  readonly ttlSeconds: number;
}

/**
 * Makes a token of Vault's kind for somebody who is signed in to Sallyport: it ends after `ttlSeconds` however often it
 * is renewed. `rightsIn` is asked in the turn, with the environments that have a mount of their own.
 */
export type NativeSignIn = (
  by: NativeActor,
  ttlSeconds: number,
  rightsIn: (environments: readonly string[]) => NativeRights,
) => Promise<NativeToken>;

export function createSignIn(deps: {
  readonly audited: Audited;
  readonly core: Core;
  readonly wallNow: () => number;
}): NativeSignIn {
  const { audited, core, wallNow } = deps;
  return async (by, ttlSeconds, rightsIn) =>
    await audited((turn) => {
      const mount = makeSignInMount(turn);
      if (mount === undefined) throw pathTaken();
      const { policy, environments } = rightsIn(ownMounts(turn));
      if (findPolicy(turn, policy.name)?.text !== policy.text)
        putPolicy(turn, { name: policy.name, text: policy.text });
      const path = `${mount.path}login`;
      const issued = issueLogin(turn, core, mount, path, {
        displayName: by.name,
        policies: [policy.name],
        metadata: { actor_kind: by.kind, actor_id: by.id },
        alias: { name: by.id, metadata: { name: by.name, kind: by.kind } },
        limits: {
          ttl: ttlSeconds,
          maxTtl: ttlSeconds,
          explicitMaxTtl: ttlSeconds,
          period: 0,
          numUses: 0,
          boundCidrs: [],
          noDefaultPolicy: false,
          environments: [],
          type: 'service',
        },
        environments,
      });
      const request = incomingOf(core, {
        by,
        environment: 'auth',
        verb: 'update',
        path: 'sallyport/login',
        body: { actor_id: by.id, environments, ttl: ttlSeconds },
      });
      const caller = callerOf(turn, issued.entry);
      const exchange = exchangeOf(
        request,
        { ...noFindings(), verb: 'update' },
        { reply: {}, issued: { token: issued, caller } },
        turn.now,
        wallNow(),
      );
      const { entry, token } = issued;
      const answer = {
        token: SecretBytes.fromUtf8(token),
        accessor: entry.accessor,
        policies: entry.policies,
        ttlSeconds: entry.ttl,
      };
      return { answer, exchange };
    });
}

/** Environments with versioned secrets at their own name, in the order of their names. */
function ownMounts(turn: Turn): readonly string[] {
  return mountsOf(turn)
    .mounts.filter((mount) => isVersionedKv(mount) && mount.path === `${mount.environment}/`)
    .map((mount) => mount.environment)
    .sort();
}

function pathTaken(): Fault {
  return new Fault(
    'precondition',
    'vault.mount_taken',
    'expected nothing else at auth/sallyport/, where people and workloads of Sallyport get their tokens',
    { hint: 'move the other login method away, then try again' },
  );
}
