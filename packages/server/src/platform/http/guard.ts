import { Fault } from '@sallyport/formats';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { Actor, Authorize, Log } from '../ports.ts';
import { tokenOf } from './credentials.ts';
import { type Deadline, startDeadline } from './deadline.ts';
import { checkPathParams } from './path-params.ts';
import { shapeOf } from './shape.ts';
import { type Access, anonymous, type RenderFault } from './types.ts';

/** Gives the actor a token stands for, or throws `unauthenticated`. */
export type Authenticate = (token: string) => Promise<Actor>;

export interface GuardDeps {
  readonly authenticate: Authenticate;
  readonly authorize: Authorize;
  readonly log: Log;
}

export interface Guarded {
  readonly access: Access<never>;
  readonly params?: TSchema | undefined;
  readonly authenticate?: Authenticate;
  readonly credentials?: 'bearer' | 'basic' | 'foreign';
  readonly renderFault?: RenderFault;
}

/** What the guard found out about a request, for the handler. */
export interface Visit {
  actor: Actor;
  readonly deadline: Deadline;
  readonly abort: AbortController;
  readonly renderFault: RenderFault | undefined;
}

const visits = new WeakMap<FastifyRequest, Visit>();

export function findVisit(request: FastifyRequest): Visit | undefined {
  return visits.get(request);
}

export function visitOf(request: FastifyRequest): Visit {
  const visit = visits.get(request);
  if (visit === undefined) throw new Fault('internal', 'http.unguarded', 'expected a guarded route');
  return visit;
}

/**
 * The first thing every declared route runs, before a byte of the body is read: starts the clock, then decides who
 * calls and whether they may. A route without a verdict does not exist: `access` is part of its declaration.
 */
export function guard(spec: Guarded, timeoutSeconds: number, deps: GuardDeps) {
  const shape = spec.params === undefined ? undefined : shapeOf(spec.params);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const visit = startVisit(spec, timeoutSeconds, request, reply);
    // The router gives texts only; their shape is checked right below, before anyone uses them.
    const raw = request.params as Record<string, string>;
    checkPathParams(raw);
    const params: unknown = shape === undefined ? raw : shape.converted({ ...raw });
    if (shape !== undefined && shape.problems(params).length > 0) {
      throw new Fault('not_found', 'http.not_found', 'nothing is at this path');
    }
    visit.actor = await admit(spec, request.headers.authorization, params, deps);
  };
}

async function admit(
  spec: Guarded,
  authorization: string | undefined,
  params: unknown,
  deps: GuardDeps,
): Promise<Actor> {
  const { access } = spec;
  if (access.kind === 'public') return anonymous;
  const token = tokenOf(authorization, spec.credentials === 'basic' ? 'basic' : 'bearer');
  if (token === undefined) {
    throw new Fault('unauthenticated', 'http.no_credentials', 'expected a token, got none', {
      hint: "send 'authorization: Bearer <token>', or sign in first",
    });
  }
  const actor = await (spec.authenticate ?? deps.authenticate)(token);
  // The declaration ties `path` to the route's own params; here that type is erased, the value was checked above.
  if (access.kind === 'allowed') await deps.authorize(actor, access.capability, access.path(params as never));
  return actor;
}

function startVisit(
  spec: Guarded,
  timeoutSeconds: number,
  request: FastifyRequest,
  reply: FastifyReply,
): Visit {
  const abort = new AbortController();
  const deadline = startDeadline(timeoutSeconds, () => {
    const waiting = !request.raw.complete;
    const fault = waiting
      ? new Fault('invalid', 'http.timeout', `the request was not complete after ${timeoutSeconds} seconds`)
      : new Fault('unavailable', 'http.slow', `no answer after ${timeoutSeconds} seconds`, {
          hint: 'try again later',
        });
    abort.abort(fault);
    if (reply.raw.headersSent) request.raw.destroy();
    else reply.send(fault);
  });
  reply.raw.once('close', () => {
    deadline.end();
    if (!reply.raw.writableFinished)
      abort.abort(new Fault('unavailable', 'http.aborted', 'the caller went away'));
  });
  const visit: Visit = { actor: anonymous, deadline, abort, renderFault: spec.renderFault };
  visits.set(request, visit);
  return visit;
}
