import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Fault } from '@sallyport/formats';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import type { Actor } from '../ports.ts';
import { limitedBody, tooLarge } from './body.ts';
import { plainHeaders, tokenOf } from './credentials.ts';
import { type GuardDeps, guard, type Visit, visitOf } from './guard.ts';
import { Problem } from './problem.ts';
import { shapeOf } from './shape.ts';
import type { Access, Http, Method, RenderFault, StreamReply } from './types.ts';

const defaultBodyBytes = 1024 * 1024;
const defaultStreamBytes = 1024 * 1024 * 1024;
const defaultTimeoutSeconds = 30;

/** A declaration with the types of its parts erased: what the machinery below needs. */
interface ErasedRoute {
  readonly method: Method;
  readonly path: string;
  readonly summary: string;
  readonly access: Access<never>;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly response?: TSchema;
  readonly bodyLimitBytes?: number;
  readonly timeoutSeconds?: number;
  readonly authenticate?: (token: string) => Promise<Actor>;
  readonly credentials?: 'bearer' | 'basic' | 'foreign';
  readonly renderFault?: RenderFault;
  readonly status?: number;
  readonly headersOf?: (result: unknown) => Readonly<Record<string, string>>;
  readonly handle: (...parts: unknown[]) => Promise<unknown>;
}

export interface DeclaredRoute {
  readonly method: Method;
  readonly path: string;
  readonly access: Access<never>;
}

/** Puts routes on Fastify: JSON routes on `json`, streams on `bytes`, whose bodies nobody parses. */
export function declarations(
  json: FastifyInstance,
  bytes: FastifyInstance,
  deps: GuardDeps,
): Http & { readonly declared: readonly DeclaredRoute[] } {
  const declared: DeclaredRoute[] = [];
  const note = (spec: ErasedRoute): ErasedRoute => {
    declared.push({ method: spec.method, path: spec.path, access: spec.access });
    return spec;
  };
  return {
    declared,
    // Erasing the generic parts: the declaration site is fully typed, and every value is checked by its schema.
    route: (spec) => declareJson(json, note(spec as unknown as ErasedRoute), deps),
    stream: (spec) => declareStream(bytes, note(spec as unknown as ErasedRoute), deps),
  };
}

function declareJson(app: FastifyInstance, spec: ErasedRoute, deps: GuardDeps): void {
  const status = spec.status ?? 200;
  const response = spec.response === undefined ? undefined : shapeOf(spec.response);
  app.route({
    method: spec.method,
    url: spec.path,
    bodyLimit: spec.bodyLimitBytes ?? defaultBodyBytes,
    schema: schemaOf(spec, { ...(spec.response === undefined ? {} : { [status]: spec.response }) }),
    onRequest: guard(spec, spec.timeoutSeconds ?? defaultTimeoutSeconds, deps),
    handler: async (request, reply) => {
      if (spec.body === undefined && request.body !== undefined && request.body !== null) {
        throw new Fault('invalid', 'http.unexpected_body', 'expected no body, got one');
      }
      const result = await spec.handle({ ...partsOf(spec, request, visitOf(request)), body: request.body });
      // The time may be up, and its answer given, while the handler was still working.
      if (reply.sent) return reply;
      if (result === undefined) return reply.code(spec.status ?? 204).send();
      const where = response?.problems(result)[0];
      if (where !== undefined) {
        throw new Fault('internal', 'http.response_mismatch', 'the answer does not match its schema', {
          details: { at: where.instancePath, problem: where.message },
        });
      }
      return reply
        .code(status)
        .headers(spec.headersOf?.(result) ?? {})
        .type('application/json; charset=utf-8')
        .send(JSON.stringify(result));
    },
  });
}

function declareStream(app: FastifyInstance, spec: ErasedRoute, deps: GuardDeps): void {
  const limitBytes = spec.bodyLimitBytes ?? defaultStreamBytes;
  // A caller nobody knows gets a limit on the whole, so that trickling bytes does not hold a connection for ever.
  const silenceOnly = spec.access.kind !== 'public';
  app.route({
    method: spec.method,
    url: spec.path,
    schema: schemaOf(spec, {}),
    onRequest: guard(spec, spec.timeoutSeconds ?? defaultTimeoutSeconds, deps),
    handler: async (request, reply) => {
      const visit = visitOf(request);
      const touch = silenceOnly ? visit.deadline.touch : () => undefined;
      if (Number(request.headers['content-length'] ?? 0) > limitBytes) throw tooLarge(limitBytes);
      const body = limitedBody(request.raw, limitBytes, touch);
      await spec.handle(
        { ...partsOf(spec, request, visit), body: undefined },
        streamReply(reply, touch),
        body,
      );
      if (!reply.sent)
        throw new Fault('internal', 'http.no_answer', 'the handler of a stream sent no answer');
      return reply;
    },
  });
}

function streamReply(reply: FastifyReply, touch: () => void): StreamReply {
  const made: StreamReply = {
    status: (code) => {
      reply.code(code);
      return made;
    },
    headers: (values) => {
      reply.headers(values);
      return made;
    },
    send: async (content) => {
      if (reply.sent) return;
      if (content === undefined || typeof content === 'string' || content instanceof Uint8Array) {
        reply.send(
          content instanceof Uint8Array
            ? Buffer.from(content.buffer, content.byteOffset, content.length)
            : content,
        );
      } else {
        reply.send(Readable.from(touching(content, touch), { objectMode: false }));
      }
      // A caller that goes away ends the answer; that is not an error of the handler.
      await finished(reply.raw).catch(() => undefined);
    },
  };
  return made;
}

async function* touching(content: AsyncIterable<Uint8Array>, touch: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of content) {
    touch();
    yield chunk;
  }
}

function partsOf(spec: ErasedRoute, request: FastifyRequest, visit: Visit) {
  const foreign = spec.access.kind === 'public' && spec.credentials === 'foreign';
  return {
    ...(foreign ? { foreignToken: tokenOf(request.headers.authorization, 'bearer') } : {}),
    actor: visit.actor,
    params: request.params,
    query: request.query,
    requestId: request.id,
    headers: plainHeaders(request.headers),
    signal: visit.abort.signal,
  };
}

function schemaOf(spec: ErasedRoute, responses: Record<string, TSchema>) {
  return {
    summary: spec.summary,
    ...(spec.access.kind === 'public' ? { security: [] } : {}),
    ...(spec.params === undefined ? {} : { params: spec.params }),
    ...(spec.query === undefined ? {} : { querystring: spec.query }),
    ...(spec.body === undefined ? {} : { body: spec.body }),
    response: { ...responses, default: Problem },
  };
}
