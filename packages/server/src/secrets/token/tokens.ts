import { Fault, type SecretBytes } from '@sallyport/formats';
import { adminPolicy, type Identity, type Rule } from '#identity';
import type { Actor, Clock } from '#platform';
import type { NativeRights, NativeSignIn } from '#vault';
import { checkMount, mountOf } from '../address.ts';
import { overlap } from './pattern.ts';
import { policyText } from './policy-text.ts';
import { rightsIn } from './rights.ts';

export interface VaultToken {
  readonly token: SecretBytes;
  readonly accessor: string;
  readonly policies: readonly string[];
  readonly expiresAt: Date;
}

export interface NewVaultToken {
  readonly ttlSeconds?: number;
  /** Only this environment; else all that the actor has rights in. */
  readonly project?: string;
  readonly environment?: string;
}

export interface Tokens {
  /**
   * A token for Vault's interface, in exchange for a native identity: of a person or workload, for at most an hour and
   * not longer than what they are signed in with, with the rights they have on native paths of secrets at this moment.
   */
  vaultToken(actor: Actor, wanted: NewVaultToken): Promise<VaultToken>;
}

const maxTtlSeconds = 3600;

/** What an administrator may do by Vault's interface: everything, and unlike a root token it has a name and an end. */
const adminRights: NativeRights = {
  policy: {
    name: 'sallyport-admin',
    text: JSON.stringify({
      path: { '*': { capabilities: ['create', 'read', 'update', 'patch', 'delete', 'list', 'sudo'] } },
    }),
  },
  environments: ['*'],
};

export function createTokens(deps: {
  readonly clock: Clock;
  readonly identity: Pick<Identity, 'rulesOf'>;
  readonly signIn: NativeSignIn;
}): Tokens {
  const { clock, identity, signIn } = deps;

  function ttlFor(actor: Actor, wanted: number | undefined): number {
    const left = actor.signedInUntil;
    // Who is signed in without an end is none of those who can.
    if (left === undefined) throw cannotSignIn(actor);
    const leftSeconds = Math.floor((left.getTime() - clock.now().getTime()) / 1000);
    return Math.max(1, Math.min(wanted ?? maxTtlSeconds, maxTtlSeconds, leftSeconds));
  }

  return {
    async vaultToken(actor, { ttlSeconds, project, environment }) {
      if (actor.kind !== 'person' && actor.kind !== 'workload') throw cannotSignIn(actor);
      const only = onlyOf(project, environment);
      const ttl = ttlFor(actor, ttlSeconds);
      const rules = await identity.rulesOf(actor);
      const isAdmin =
        only === undefined && actor.policies.includes(adminPolicy) && !rules.some(takesAwaySecrets);
      const issued = await signIn(actor, ttl, (mounted) => {
        if (isAdmin) return adminRights;
        const rights = mounted
          .filter((each) => only === undefined || each === only)
          .map((each) => rightsIn(each, rules))
          .filter((each) => each.lists || each.rights.length > 0);
        const suffix = only === undefined ? '' : `-${only.replace('/', '.')}`;
        return {
          policy: { name: `sallyport-${actor.id}${suffix}`.toLowerCase(), text: policyText(rights) },
          environments: rights.map((each) => each.environment),
        };
      });
      const { token, accessor, policies } = issued;
      return {
        token,
        accessor,
        policies,
        expiresAt: new Date(clock.now().getTime() + issued.ttlSeconds * 1000),
      };
    },
  };
}

/** Beside the one rule of administrators: a narrower one may take away what that gives. */
function takesAwaySecrets({ path, effect }: Rule): boolean {
  return (path !== '*' || effect === 'deny') && overlap(path, 'secrets/*');
}

function onlyOf(project: string | undefined, environment: string | undefined): string | undefined {
  if (project === undefined && environment === undefined) return undefined;
  if (project === undefined || environment === undefined)
    throw new Fault('invalid', 'secrets.token_invalid', 'expected project and environment together, got one');
  checkMount(project, environment);
  return mountOf({ project, environment });
}

function cannotSignIn(actor: Actor): Fault {
  return new Fault(
    'denied',
    'secrets.no_vault_token',
    `expected a person or a workload that is signed in, got ${actor.kind} "${actor.name.slice(0, 80)}"`,
  );
}
