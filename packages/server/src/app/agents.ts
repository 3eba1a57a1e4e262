import { AgentHello, AgentWelcome, Name, SecretGrant } from '@sallyport/contract';
import { Fault, toBase64 } from '@sallyport/formats';
import { Type } from 'typebox';
import type { Routes } from '#platform';
import type { Contexts } from './http.ts';

/** Longer than any start takes; ends earlier when the next revision is published. */
const grantSeconds = 15 * 60;

/** The two answers to an agent that need more than one context: its welcome, and the secrets of a deployment. */
export function agentRoutes(contexts: Contexts): Routes {
  const { db, audit, signing, pipeline } = contexts;
  return (http) => {
    http.route({
      method: 'POST',
      path: '/api/agent/hello',
      summary: 'an agent starts: it says what it can enforce, and gets the trust root to pin',
      access: { kind: 'allowed', capability: 'create', path: () => 'agent/hello' },
      body: AgentHello,
      response: AgentWelcome,
      handle: async ({ actor, body }) => {
        await db.write((tx) =>
          audit.record(tx, {
            type: 'agent.session.started',
            actor,
            resource: `agent-session/${actor.id}`,
            detail: { name: body.name, version: body.version, isolation: body.isolation },
          }),
        );
        // Whatever this agent held before it started again, it has lost: others, or it itself, begin anew at once.
        await pipeline.jobs.releaseOf(actor);
        return {
          agentId: actor.id,
          trustRoot: await signing.trustRoot(),
          leaseSeconds: pipeline.leaseSeconds,
        };
      },
    });
    http.route({
      method: 'POST',
      path: '/api/agent/deployments/:project/:environment/:service/secrets',
      summary: 'the secrets of the revision that an environment shall run now',
      access: {
        kind: 'allowed',
        capability: 'read',
        path: ({ project, environment }) => `agent/environments/${project}/${environment}`,
      },
      params: Type.Object({ project: Name, environment: Name, service: Name }),
      body: Type.Object({ revision: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
      response: Type.Object({ secrets: Type.Array(SecretGrant) }),
      handle: async ({ params, body }) => ({ secrets: await secretsOf(contexts, params, body.revision) }),
    });
  };
}

interface Place {
  readonly project: string;
  readonly environment: string;
  readonly service: string;
}

/** Only the newest published revision gets secrets, only those it declares, and only of its own environment. */
async function secretsOf(
  { db, clock, secrets, release }: Contexts,
  place: Place,
  revision: number,
): Promise<SecretGrant[]> {
  const current = await release.currentDesired(place);
  if (current?.revision !== revision) {
    throw new Fault(
      'conflict',
      'release.revision_superseded',
      `expected revision ${current?.revision ?? 'none'} of ${place.service}, got ${revision}`,
      { hint: 'ask for the desired state again' },
    );
  }
  const { project, environment, service } = place;
  const holder = `deployment:${project}/${environment}/${service}/${revision}`;
  const wants = Object.entries(current.secrets).map(([name, ref]) => ({
    name,
    ref,
    delivery: 'env' as const,
  }));
  if (wants.length === 0) return [];
  const expiresAt = new Date(clock.now().getTime() + grantSeconds * 1000);
  const pinned = await secrets.pin({ holder, project, environment, wants });
  const grantId = await db.write((tx) => secrets.grant(tx, pinned, expiresAt));
  const granted = await secrets.redeem(grantId, holder);
  return granted.map(({ value, ...rest }) => {
    const encoded = toBase64(value.expose());
    value.wipe();
    return { ...rest, value: encoded };
  });
}
