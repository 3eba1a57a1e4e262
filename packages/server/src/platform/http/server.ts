import type { IncomingMessage, ServerResponse } from 'node:http';
import swagger from '@fastify/swagger';
import { Fault } from '@sallyport/formats';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchemaCompiler,
} from 'fastify';
import type { TSchema } from 'typebox';
import type { Ids, Log } from '../ports.ts';
import { parseJsonBody } from './body.ts';
import { type DeclaredRoute, declarations } from './declare.ts';
import { createListener, type Listener, type ListenerConfig } from './front/listener.ts';
import type { PartOnListener } from './front/parts.ts';
import { refuse } from './front/refusal.ts';
import { isListVerb } from './front/verb.ts';
import { findVisit, type GuardDeps } from './guard.ts';
import { declareHealth, type HealthChecks } from './health.ts';
import { asFault, renderProblem, statusOf } from './problem.ts';
import { shapeOf } from './shape.ts';
import type { Http, RenderFault } from './types.ts';

export interface HttpConfig extends ListenerConfig {
  readonly version: string;
}

export interface HttpDeps extends GuardDeps {
  readonly ids: Ids;
  readonly config: HttpConfig;
  /** Each resolves when its part works; asked by /api/health. */
  readonly health: HealthChecks;
  /** The listener to be attached to, whose owner stops it. Without one it makes its own from `config`. */
  readonly listener?: Listener;
  /**
   * Sees every request below /v1/ before anything here has worked on it; gives true when it takes it. `method` may be
   * LIST or SCAN.
   */
  readonly fast?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface HttpServer extends Http {
  /** Every declared route with its access, for the test that pins the public ones. */
  readonly declared: readonly DeclaredRoute[];
  /** Answers requests from now on, and gives the address; no route can be declared any more. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Takes no new requests, lets those in flight finish within the grace, then cuts. Idempotent. */
  stop(): Promise<void>;
}

export async function createHttp(deps: HttpDeps): Promise<HttpServer> {
  const app = createApp(deps);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sallyport', version: deps.config.version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
  });
  const scopes = await openScopes(app);
  const http = declarations(scopes.json, scopes.bytes, deps);
  declareHealth(http, deps.health);
  http.route({
    method: 'GET',
    path: '/api/openapi.json',
    summary: 'This API as an OpenAPI document',
    access: { kind: 'public', reason: 'describes the interface and nothing of the installation' },
    handle: async () => app.swagger(),
  });
  return { ...http, ...life(app, deps) };
}

/** From the first request to the last. */
function life(app: FastifyInstance, deps: HttpDeps): Pick<HttpServer, 'listen' | 'stop'> {
  const listener = deps.listener ?? createListener(deps);
  const { fast } = deps;
  let attached: readonly PartOnListener[] = [];
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    // Parts on a listener of somebody else leave it; a listener of one's own ends them together.
    if (deps.listener === undefined) await listener.stop();
    await Promise.all(attached.map((part) => part.detach()));
    await app.close();
  };
  return {
    listen: async () => {
      await app.ready();
      const rest = listener.attach({
        below: '/',
        handle: (request, response) => {
          // No route has these verbs, and Fastify fails on what it does not know.
          if (isListVerb(request.method)) refuse(request, response, nothingHere(), deps.ids.next('req'));
          else app.routing(request, response);
          return true;
        },
      });
      attached = fast === undefined ? [rest] : [rest, listener.attach({ below: '/v1/', handle: fast })];
      return listener.listen();
    },
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

function createApp(deps: HttpDeps): FastifyInstance {
  const app = Fastify({
    logger: false,
    genReqId: () => deps.ids.next('req'),
    // A request id from outside would let a caller write into our log under somebody else's request.
    requestIdHeader: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 1024 },
    // Without a word here Fastify loads its own (3 MB), which the two lines below replace.
    schemaController: { compilersFactory: { buildValidator: replaced, buildSerializer: replaced } },
  });
  app.setValidatorCompiler(checkShape);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setSchemaErrorFormatter((errors, part) => {
    const first = errors[0];
    const at = `${part}${first?.instancePath ?? ''}`;
    return new Fault('invalid', 'http.schema', `${at} ${first?.message ?? 'does not match its schema'}`, {
      details: {
        at,
        problems: errors.slice(0, 20).map((e) => `${part}${e.instancePath} ${e.message ?? ''}`),
      },
    });
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
  });
  app.setNotFoundHandler((_request, reply) => reply.send(nothingHere()));
  app.setErrorHandler((error, request, reply) => answerFault(error, request, reply, deps.log));
  return app;
}

const checkShape: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const shape = shapeOf(schema);
  return (value: unknown) => {
    const converted = httpPart === 'body' ? value : shape.converted(value);
    const problems = shape.problems(converted);
    return problems.length === 0 ? { value: converted } : { error: problems };
  };
};

function replaced(): never {
  throw new Fault('internal', 'http.compiler', 'expected the compilers of this server, got none');
}

function nothingHere(): Fault {
  return new Fault('not_found', 'http.not_found', 'nothing is at this path');
}

/** JSON bodies are parsed strictly in one scope and not at all in the other. */
async function openScopes(app: FastifyInstance): Promise<{ json: FastifyInstance; bytes: FastifyInstance }> {
  app.removeAllContentTypeParsers();
  let json = app;
  let bytes = app;
  await app.register((scope, _options, done) => {
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'buffer' },
      async (_request: FastifyRequest, body: Buffer | string) =>
        parseJsonBody(typeof body === 'string' ? Buffer.from(body) : body),
    );
    json = scope;
    done();
  });
  await app.register((scope, _options, done) => {
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null, undefined));
    bytes = scope;
    done();
  });
  return { json, bytes };
}

function answerFault(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): void {
  if (reply.raw.headersSent) {
    // Half an answer is out; only cutting the connection tells the client that it is not whole.
    log.warn({ requestId: request.id, err: error }, 'an answer broke off');
    reply.raw.destroy();
    return;
  }
  const fault = asFault(error);
  const status = statusOf(fault);
  if (status >= 500)
    log.error(
      { requestId: request.id, method: request.method, route: request.routeOptions.url, err: error },
      'a request failed',
    );
  const rendered: ReturnType<RenderFault> = (findVisit(request)?.renderFault ?? renderProblem)(
    fault,
    status,
    request.id,
    {
      method: request.method,
      path: request.url.split('?', 1)[0] ?? '',
    },
  );
  // A body that was not read to its end would be taken for the next request.
  if (!request.raw.complete) reply.header('connection', 'close');
  if (status === 503) reply.header('retry-after', '1');
  if (status === 401 && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer');
  reply
    .code(status)
    .headers(rendered.headers ?? {})
    .type(rendered.contentType)
    .send(rendered.body);
}
