import { DeployReport, DesiredPage, Digest as DigestSchema, Name } from '@sallyport/contract';
import { type Digest, Fault, parseDigest } from '@sallyport/formats';
import { Type } from 'typebox';
import type { Actor, Http, Routes } from '#platform';
import type { Place } from './promotion/promotion.ts';
import type { Release } from './release.ts';
import { everyEnvironment } from './store.ts';
import { viewOf } from './views.ts';

const closed = { additionalProperties: false } as const;
const Reason = Type.String({ maxLength: 1000 });
const ProjectParams = Type.Object({ project: Name });
const PlaceParams = Type.Object({ project: Name, environment: Name });
const PromotionBody = Type.Object(
  { service: Type.Optional(Name), digest: DigestSchema, reason: Type.Optional(Reason) },
  closed,
);
const ServiceQuery = Type.Object({ service: Type.Optional(Name) }, closed);

/** Longest a deployment request of an agent waits for something to change. */
const maxWaitSeconds = 25;

export function releaseRoutes(release: Release): Routes {
  return (http) => {
    promotionRoutes(http, release);
    placeRoutes(http, release);
    readRoutes(http, release);
    agentRoutes(http, release);
  };
}

const inEnvironment =
  (what: string) => (params: { readonly project: string; readonly environment: string }) =>
    `projects/${params.project}/environments/${params.environment}/${what}`;

/** Most projects have one service; then nobody has to name it. */
async function placeFor(
  release: Release,
  { project, environment }: { readonly project: string; readonly environment: string },
  service: string | undefined,
): Promise<Place> {
  if (service !== undefined) return { project, environment, service };
  const services = (await release.services(project)).map((each) => each.service);
  const [only, second] = services;
  if (only === undefined || second !== undefined) {
    throw new Fault(
      only === undefined ? 'not_found' : 'invalid',
      'release.service_needed',
      `expected the name of a service of ${project}, got none`,
      { hint: only === undefined ? 'the project has none yet' : `it has ${services.join(', ')}` },
    );
  }
  return { project, environment, service: only };
}

function promotionRoutes(http: Http, release: Release): void {
  http.route({
    method: 'POST',
    path: '/api/projects/:project/environments/:environment/promotions',
    summary: 'ask to move a digest into an environment; its gates decide',
    access: { kind: 'allowed', capability: 'create', path: inEnvironment('promotions') },
    params: PlaceParams,
    body: PromotionBody,
    status: 202,
    handle: async ({ actor, params, body }) => {
      const place = await placeFor(release, params, body.service);
      return viewOf(await release.promote(actor, { ...place, ...request(body) }));
    },
  });
  http.route({
    method: 'POST',
    path: '/api/projects/:project/environments/:environment/approvals',
    summary: 'agree, as a person, to a digest in an environment',
    access: { kind: 'allowed', capability: 'approve', path: inEnvironment('approvals') },
    params: PlaceParams,
    body: PromotionBody,
    status: 201,
    handle: async ({ actor, params, body }) => {
      const place = await placeFor(release, params, body.service);
      const { id, digest, person, name, approvedAt } = await release.approve(actor, {
        ...place,
        ...request(body),
      });
      return { id, ...place, digest, person, name, approvedAt: approvedAt.toISOString() };
    },
  });
  http.route({
    method: 'POST',
    path: '/api/projects/:project/environments/:environment/refusals',
    summary: 'refuse a promotion that has not been let in yet',
    access: { kind: 'allowed', capability: 'approve', path: inEnvironment('approvals') },
    params: PlaceParams,
    body: Type.Object({ promotionId: Type.String({ maxLength: 100 }), reason: Reason }, closed),
    handle: async ({ actor, params, body }) =>
      viewOf(await release.refuse(actor, body.promotionId, body.reason, params)),
  });
  http.route({
    method: 'POST',
    path: '/api/projects/:project/environments/:environment/rollback',
    summary: 'promote the last healthy digest, or a named one, and hold automatic promotion',
    access: { kind: 'allowed', capability: 'create', path: inEnvironment('promotions') },
    params: PlaceParams,
    body: Type.Object(
      { service: Type.Optional(Name), digest: Type.Optional(DigestSchema), reason: Reason },
      closed,
    ),
    status: 202,
    handle: async ({ actor, params, body }) => {
      const place = await placeFor(release, params, body.service);
      const digest = body.digest === undefined ? {} : { digest: parseDigest(body.digest) };
      return viewOf(await release.rollback(actor, { ...place, ...digest, reason: body.reason }));
    },
  });
}

function request(body: { readonly digest: string; readonly reason?: string }): {
  digest: Digest;
  reason?: string;
} {
  return { digest: parseDigest(body.digest), ...(body.reason === undefined ? {} : { reason: body.reason }) };
}

function placeRoutes(http: Http, release: Release): void {
  http.route({
    method: 'PUT',
    path: '/api/projects/:project/environments/:environment/hold',
    summary: 'suspend automatic promotion into an environment',
    access: { kind: 'allowed', capability: 'update', path: inEnvironment('holds') },
    params: PlaceParams,
    body: Type.Object({ service: Type.Optional(Name), reason: Reason }, closed),
    handle: async ({ actor, params, body }) => {
      const place = await placeFor(release, params, body.service);
      const hold = await release.hold(actor, place, body.reason);
      return { ...place, reason: hold.reason, since: hold.since.toISOString() };
    },
  });
  http.route({
    method: 'DELETE',
    path: '/api/projects/:project/environments/:environment/hold',
    summary: 'let automatic promotion go on',
    access: { kind: 'allowed', capability: 'update', path: inEnvironment('holds') },
    params: PlaceParams,
    query: ServiceQuery,
    handle: async ({ actor, params, query }) => {
      const place = await placeFor(release, params, query.service);
      return { ...place, lifted: await release.unhold(actor, place) };
    },
  });
}

function readRoutes(http: Http, release: Release): void {
  http.route({
    method: 'GET',
    path: '/api/projects/:project/promotions',
    summary: 'promotions of a project, newest first',
    access: { kind: 'allowed', capability: 'read', path: ({ project }) => `projects/${project}/promotions` },
    params: ProjectParams,
    handle: async ({ params }) => ({ promotions: (await release.promotions(params.project)).map(viewOf) }),
  });
  http.route({
    method: 'GET',
    path: '/api/projects/:project/environments/:environment/why',
    summary: 'which gates let a digest pass, which do not, and what would satisfy them',
    access: { kind: 'allowed', capability: 'read', path: inEnvironment('why') },
    params: PlaceParams,
    query: Type.Object({ digest: DigestSchema, service: Type.Optional(Name) }, closed),
    handle: async ({ params, query }) => {
      const { project, service, environment } = await placeFor(release, params, query.service);
      return release.why(project, service, parseDigest(query.digest), environment);
    },
  });
  http.route({
    method: 'GET',
    path: '/api/projects/:project/status',
    summary: 'per environment: desired and running digest, sync, health, drift, what is under way',
    access: { kind: 'allowed', capability: 'read', path: ({ project }) => `projects/${project}/status` },
    params: ProjectParams,
    handle: async ({ params }) => ({ environments: await release.status(params.project) }),
  });
  http.route({
    method: 'GET',
    path: '/api/projects/:project/trace/:digest',
    summary: 'everything that happened to a digest, in order',
    access: { kind: 'allowed', capability: 'read', path: ({ project }) => `projects/${project}/trace` },
    params: Type.Object({ project: Name, digest: DigestSchema }),
    handle: async ({ params }) => ({
      entries: await release.trace(parseDigest(params.digest), params.project),
    }),
  });
}

function agentRoutes(http: Http, release: Release): void {
  http.route({
    method: 'GET',
    path: '/api/agent/deployments',
    summary: 'what the named environments shall run; waits for a change when told to',
    access: { kind: 'allowed', capability: 'read', path: () => 'agent/deployments' },
    query: Type.Object(
      {
        /** `project/environment`, comma-separated, or `*` for every one. */
        environments: Type.String({ maxLength: 13_000 }),
        after: Type.Optional(Type.String({ maxLength: 100 })),
        waitSeconds: Type.Optional(Type.String({ pattern: '^[0-9]{1,2}$' })),
      },
      closed,
    ),
    response: DesiredPage,
    handle: async ({ actor, query, signal }) => {
      const environments = query.environments.split(',').filter((name) => name !== '');
      for (const name of environments) await mayServe(release, actor, 'read', name);
      const wait = Math.min(Number(query.waitSeconds ?? '0'), maxWaitSeconds);
      return release.desiredSince(environments, query.after, wait, signal);
    },
  });
  http.route({
    method: 'POST',
    path: '/api/agent/deployments',
    summary: 'what an agent sees running, on the two axes sync and health, with drift',
    access: { kind: 'allowed', capability: 'update', path: () => 'agent/deployments' },
    body: DeployReport,
    handle: async ({ actor, body }) => {
      await mayServe(release, actor, 'update', `${body.project}/${body.environment}`);
      const promotion = await release.report(actor, body);
      return { promotion: promotion === undefined ? null : viewOf(promotion) };
    },
  });
}

/** Each environment has a path of its own, so that the agent of one cannot read or report for another. */
async function mayServe(
  release: Release,
  actor: Actor,
  capability: 'read' | 'update',
  name: string,
): Promise<void> {
  // An agent for every environment needs permission for all of them at once, also those to come.
  if (name !== everyEnvironment && !/^[a-z0-9-]{1,63}\/[a-z0-9-]{1,63}$/.test(name)) {
    throw new Fault(
      'invalid',
      'release.environment_name',
      `expected project/environment, got ${name.slice(0, 130)}`,
    );
  }
  const path = name === everyEnvironment ? 'agent/environments' : `agent/environments/${name}`;
  await release.authorize(actor, capability, path);
}
