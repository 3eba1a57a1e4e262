import type { Actor, Audit, AuditedTable, Clock, Db, Ids, Random, Tx } from '#platform';
import { createPeople, type People } from './people/people.ts';
import { type PrincipalKind, principalResource, principalState } from './people/principal.ts';
import { peopleStore } from './people/store.pg.ts';
import { createPolicies, type Policies, policyResource, policyState } from './policy/policies.ts';
import { policyStore } from './policy/store.pg.ts';
import type { OidcSigner } from './steps/jwt.ts';
import { createStepTokens, type StepTokens, stepTokenResource, stepTokenState } from './steps/step-tokens.ts';
import { stepTokenStore } from './steps/store.pg.ts';
import { type Bootstrap, createBootstrap } from './tokens/bootstrap.ts';
import { tokenStore } from './tokens/store.pg.ts';
import { tokenPrefix, tokenResource, tokenState, unauthenticated } from './tokens/token.ts';
import { createTokens, type Tokens } from './tokens/tokens.ts';

export interface IdentityDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly oidcSigner: OidcSigner;
  /** The URL in `iss`, under which `/.well-known/openid-configuration` is served. */
  readonly issuer: string;
}

/** Who may come in and what they may do. Every verb reads current state: a revocation holds from its commit on. */
export interface Identity
  extends Omit<People, 'addPerson'>,
    Omit<Tokens, 'addToken' | 'authenticateToken'>,
    Policies,
    Omit<StepTokens, 'authenticateStep'>,
    Bootstrap {
  /** The actor behind `Authorization: Bearer …`, or `identity.token_refused` and nothing more. */
  authenticate(bearer: string): Promise<Actor>;
}

export function createIdentity(deps: IdentityDeps): Identity {
  const people = createPeople(deps);
  const tokens = createTokens(deps);
  const policies = createPolicies(deps);
  const steps = createStepTokens(deps);
  const bootstrap = createBootstrap({ ...deps, people, tokens });
  const { addPerson: _inTx, ...peopleDoor } = people;
  const { addToken: _alsoInTx, authenticateToken, ...tokensDoor } = tokens;
  const { authenticateStep, ...stepsDoor } = steps;

  return {
    ...peopleDoor,
    ...tokensDoor,
    ...policies,
    ...stepsDoor,
    ...bootstrap,
    async authenticate(bearer) {
      if (bearer.startsWith(tokenPrefix)) return await authenticateToken(bearer);
      if (bearer.includes('.')) return await authenticateStep(bearer);
      throw unauthenticated();
    },
  };
}

/** For `ledger verify`: everything here that decides who gets in. */
export function identityAudited(): AuditedTable[] {
  const principals = (kind: PrincipalKind): AuditedTable => ({
    kind,
    states: async (tx: Tx) =>
      (await peopleStore.list(tx, [kind])).map(
        (each) => [principalResource(each), principalState(each)] as const,
      ),
  });
  return [
    principals('person'),
    principals('workload'),
    principals('agent'),
    {
      kind: 'policy',
      states: async (tx) =>
        (await policyStore.list(tx)).map((each) => [policyResource(each.name), policyState(each)] as const),
    },
    {
      kind: 'token',
      states: async (tx) =>
        (await tokenStore.list(tx)).map((each) => [tokenResource(each), tokenState(each)] as const),
    },
    {
      kind: 'step-token',
      states: async (tx) =>
        (await stepTokenStore.list(tx)).map(
          (each) => [stepTokenResource(each), stepTokenState(each)] as const,
        ),
    },
  ];
}
