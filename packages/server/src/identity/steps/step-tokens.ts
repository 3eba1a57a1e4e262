import type { Actor, Audit, Clock, Db, Ids, Json, Tx } from '#platform';
import { systemActor } from '#platform';
import { unauthenticated } from '../tokens/token.ts';
import {
  checkStepIdentity,
  maxStepTokenSeconds,
  type StepIdentity,
  stepClaimNames,
  stepClaims,
  stepSubject,
} from './claims.ts';
import { type OidcSigner, publicJwk, signJwt, verifyStepJwt } from './jwt.ts';
import { stepTokenStore } from './store.pg.ts';
import type { StepToken } from './store.ts';

export interface StepTokens {
  issueStepToken(tx: Tx, identity: StepIdentity): Promise<string>;
  endStepTokens(tx: Tx, runId: string, step?: string): Promise<void>;
  authenticateStep(jwt: string): Promise<Actor>;
  discovery(): Json;
  jwks(): Promise<Json>;
}

export interface StepTokensDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly oidcSigner: OidcSigner;
  readonly issuer: string;
}

export function stepTokenState(token: StepToken): Json {
  return {
    id: token.id,
    run: token.runId,
    step: token.step,
    subject: token.subject,
    audience: token.audience,
    expiresAt: token.expiresAt.toISOString(),
    endedAt: token.endedAt?.toISOString() ?? null,
  };
}

export function stepTokenResource(token: Pick<StepToken, 'id'>): string {
  return `step-token/${token.id}`;
}

export function createStepTokens(deps: StepTokensDeps): StepTokens {
  const { db, audit, clock, ids, oidcSigner, issuer } = deps;

  return {
    async issueStepToken(tx, identity) {
      checkStepIdentity(identity);
      const subject = stepSubject(identity);
      // Whole seconds: JWT times are seconds, and the row must not outlive or undercut the claim.
      const issuedSeconds = Math.floor(clock.now().getTime() / 1000);
      const expiresSeconds = issuedSeconds + Math.min(identity.ttlSeconds, maxStepTokenSeconds);
      const token: StepToken = {
        id: ids.next('stp'),
        runId: identity.runId,
        step: identity.step,
        subject,
        audience: identity.audience,
        issuedAt: new Date(issuedSeconds * 1000),
        expiresAt: new Date(expiresSeconds * 1000),
        endedAt: undefined,
      };
      await stepTokenStore.insert(tx, token);
      await audit.record(tx, {
        type: 'identity.step_token.issued',
        actor: systemActor,
        resource: stepTokenResource(token),
        state: stepTokenState(token),
      });
      return signJwt(oidcSigner, {
        iss: issuer,
        sub: subject,
        aud: identity.audience,
        iat: issuedSeconds,
        nbf: issuedSeconds,
        exp: expiresSeconds,
        jti: token.id,
        ...stepClaims(identity),
      });
    },

    async endStepTokens(tx, runId, step) {
      for (const token of await stepTokenStore.end(tx, runId, step, clock.now()))
        await audit.record(tx, {
          type: 'identity.step_token.ended',
          actor: systemActor,
          resource: stepTokenResource(token),
          state: stepTokenState(token),
        });
    },

    async authenticateStep(jwt) {
      const now = clock.now();
      // Only tokens made out to us: one that a step obtained for a cloud must not open our own doors.
      const verified = await verifyStepJwt(jwt, { signer: oidcSigner, issuer, audience: issuer, now });
      const token = await db.read((tx) => stepTokenStore.find(tx, verified.id));
      if (token === undefined || token.endedAt !== undefined || token.subject !== verified.subject)
        throw unauthenticated();
      // Held to the row without skew: the issuer's clock and ours are the same one.
      if (token.expiresAt.getTime() <= now.getTime()) throw unauthenticated();
      return {
        kind: 'step',
        id: token.id,
        name: token.subject,
        policies: [],
        groups: [],
        claims: verified.claims,
      };
    },

    discovery() {
      return {
        issuer,
        jwks_uri: `${issuer.replace(/\/$/, '')}/.well-known/jwks.json`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
        scopes_supported: ['openid'],
        claims_supported: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp', 'jti', ...stepClaimNames],
      };
    },

    async jwks() {
      const { kty, crv, x, y, kid, alg, use } = await publicJwk(oidcSigner);
      return {
        keys: [
          {
            kty: kty ?? '',
            crv: crv ?? '',
            x: x ?? '',
            y: y ?? '',
            kid: kid ?? '',
            alg: alg ?? '',
            use: use ?? '',
          },
        ],
      };
    },
  };
}
