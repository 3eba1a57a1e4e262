import { setTimeout as sleep } from 'node:timers/promises';
import { Id, JobGrant, JobReport, Name, StepGrant, StepReport } from '@sallyport/contract';
import { Type } from 'typebox';
import { collectBody, type RequestOf, type Routes } from '#platform';
import type { LeaseClaim } from '../jobs/fence.ts';
import type { Pipeline } from '../pipeline.ts';

const closed = { additionalProperties: false } as const;
const JobParams = Type.Object({ runId: Id }, closed);
const StepParams = Type.Object({ runId: Id, step: Name }, closed);
const access = { kind: 'allowed', capability: 'update', path: () => 'agent/jobs' } as const;

const pollMs = 250;

/** The agent protocol for builds (contract/agent.ts). Every message about a job carries the lease as a header. */
export function agentRoutes(pipeline: Pipeline): Routes {
  return (http) => {
    http.route({
      method: 'POST',
      path: '/api/agent/jobs/lease',
      summary: 'Leases the build that waits longest; waits for one as long as asked; 204 when none came',
      access,
      body: Type.Object(
        {
          waitSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 25 })),
          /** The agent does not know what an earlier request gave it, and holds nothing. */
          anew: Type.Optional(Type.Boolean()),
        },
        closed,
      ),
      response: JobGrant,
      timeoutSeconds: 60,
      handle: async ({ actor, body, signal }) => {
        if (body.anew === true) await pipeline.jobs.releaseOf(actor);
        const until = Date.now() + (body.waitSeconds ?? 0) * 1000;
        for (;;) {
          // Asked before each attempt: a lease for a caller that has gone would be lost until it expires.
          if (signal.aborted) return undefined as never;
          const grant = await pipeline.jobs.lease(actor);
          // No content is no JobGrant; the platform answers 204 for it.
          if (grant !== undefined || Date.now() >= until) return grant as JobGrant;
          await sleep(pollMs);
        }
      },
    });

    http.route({
      method: 'POST',
      path: '/api/agent/jobs/:runId/heartbeat',
      summary: 'Keeps a lease',
      access,
      params: JobParams,
      response: Type.Object({ leaseSeconds: Type.Integer() }, closed),
      handle: (request) => pipeline.jobs.heartbeat(claimOf(request)),
    });

    http.stream({
      method: 'GET',
      path: '/api/agent/jobs/:runId/source',
      summary: 'The tree of the commit as tar, with the digest that the job grant names',
      access,
      params: JobParams,
      handle: async (request, reply) => {
        const bytes = await pipeline.source(claimOf(request));
        await reply.status(200).headers({ 'content-type': 'application/x-tar' }).send(bytes);
      },
    });

    http.route({
      method: 'POST',
      path: '/api/agent/jobs/:runId/steps/:step/grant',
      summary: 'What a step holds; given once per attempt and step',
      access,
      params: StepParams,
      response: StepGrant,
      handle: (request) => pipeline.steps.grant(claimOf(request), request.params.step),
    });

    http.stream({
      method: 'POST',
      path: '/api/agent/jobs/:runId/steps/:step/log',
      summary: 'Appends to the log of a step at an offset; answers with the offset to go on from',
      access,
      params: StepParams,
      query: Type.Object({ offset: Type.Integer({ minimum: 0 }) }, closed),
      bodyLimitBytes: 1024 * 1024,
      handle: async (request, reply, body) => {
        const { step } = request.params;
        const bytes = await collectBody(body);
        const offset = await pipeline.steps.appendLog(claimOf(request), step, request.query.offset, bytes);
        await reply
          .status(200)
          .headers({ 'content-type': 'application/json' })
          .send(JSON.stringify({ offset }));
      },
    });

    http.route({
      method: 'POST',
      path: '/api/agent/jobs/:runId/steps/:step/finish',
      summary: 'Ends a step and all it held; the same report twice changes nothing',
      access,
      params: StepParams,
      body: StepReport,
      bodyLimitBytes: 32 * 1024 * 1024,
      handle: (request) => pipeline.steps.finish(claimOf(request), request.params.step, request.body),
    });

    http.route({
      method: 'POST',
      path: '/api/agent/jobs/:runId/finish',
      summary: 'Ends a build; the same report twice changes nothing',
      access,
      params: JobParams,
      body: JobReport,
      bodyLimitBytes: 8 * 1024 * 1024,
      handle: (request) => pipeline.jobs.finish(claimOf(request), request.body),
    });

    http.route({
      method: 'POST',
      path: '/api/agent/jobs/:runId/hand-back',
      summary: 'Gives a build back that this agent cannot end; it is leased again from the beginning',
      access,
      params: JobParams,
      body: Type.Object({ reason: Type.String({ minLength: 1, maxLength: 400 }) }, closed),
      handle: (request) => pipeline.jobs.handBack(claimOf(request), request.body.reason),
    });
  };
}

function claimOf(request: RequestOf<{ readonly runId: string }, unknown, unknown>): LeaseClaim {
  const { actor, params, headers } = request;
  return { agent: actor, runId: params.runId, token: headers['sallyport-lease'] ?? '' };
}
