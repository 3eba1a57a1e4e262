import type { AddressInfo } from 'node:net';
import swagger from '@fastify/swagger';
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import { Fault } from '@sallyport/formats';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Ids, Log } from '../ports.ts';
import { parseJsonBody } from './body.ts';
import { type DeclaredRoute, declarations } from './declare.ts';
import { findVisit, type GuardDeps } from './guard.ts';
import { declareHealth, type HealthChecks } from './health.ts';
import { asFault, renderProblem, statusOf } from './problem.ts';
import type { Http } from './types.ts';

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  readonly version: string;
  /** How long a stop waits for requests in flight before it cuts them off. */
  readonly graceSeconds: number;
  readonly maxConnections: number;
}

export interface HttpDeps extends GuardDeps {
  readonly ids: Ids;
  readonly config: HttpConfig;
  /** Each resolves when its part works; asked by /api/health. */
  readonly health: HealthChecks;
}

export interface HttpServer extends Http {
  /** Every declared route with its access, for the test that pins the public ones. */
  readonly declared: readonly DeclaredRoute[];
  /** Starts to listen and gives the address; no route can be declared any more. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Takes no new requests, lets those in flight finish within the grace, then cuts. Idempotent. */
  stop(): Promise<void>;
}

export async function createHttp(deps: HttpDeps): Promise<HttpServer> {
  const app = createApp(deps);
  const life = { stopping: false };
  app.addHook('onSend', async (_request, reply) => {
    // Otherwise a client that keeps its connection would hold the stop until the grace is over.
    if (life.stopping) reply.header('connection', 'close');
  });
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
  let stopping: Promise<void> | undefined;
  declareHealth(http, deps.health, () => life.stopping);
  http.route({
    method: 'GET',
    path: '/api/openapi.json',
    summary: 'This API as an OpenAPI document',
    access: { kind: 'public', reason: 'describes the interface and nothing of the installation' },
    handle: async () => app.swagger(),
  });
  return {
    ...http,
    listen: () => listen(app, deps.config),
    stop: () => {
      life.stopping = true;
      stopping ??= stop(app, deps);
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
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    // The whole request has its own deadline per route; Node's clock here bounds the headers only.
    requestTimeout: 0,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 2_000, maxHeaderSize: 16_384 },
    routerOptions: { maxParamLength: 1024 },
    clientErrorHandler: (error, socket) => {
      if (!socket.writable) return;
      const tooLarge = 'code' in error && error.code === 'HPE_HEADER_OVERFLOW';
      const fault = tooLarge
        ? new Fault('invalid', 'http.headers_too_large', 'the headers are larger than 16384 bytes')
        : new Fault('invalid', 'http.malformed', 'expected an HTTP/1.1 request');
      const status = statusOf(fault);
      const { contentType, body } = renderProblem(fault, status, deps.ids.next('req'));
      const head = `HTTP/1.1 ${status} ${tooLarge ? 'Request Header Fields Too Large' : 'Bad Request'}`;
      socket.end(
        `${head}\r\ncontent-type: ${contentType}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      );
    },
  });
  app.server.maxConnections = deps.config.maxConnections;
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
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
  app.setNotFoundHandler((_request, reply) =>
    reply.send(new Fault('not_found', 'http.not_found', 'nothing is at this path')),
  );
  app.setErrorHandler((error, request, reply) => answerFault(error, request, reply, deps.log));
  return app;
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
  const rendered = (findVisit(request)?.renderFault ?? renderProblem)(fault, status, request.id);
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

async function listen(app: FastifyInstance, config: HttpConfig): Promise<{ url: string; port: number }> {
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    throw new Fault('conflict', 'platform.listen', `cannot listen on ${config.host}:${config.port}`, {
      hint: 'another program may use the port: stop it, or choose another with --port',
      cause: error,
    });
  }
  // A TCP server that listens has an address of this shape (a text is for pipes).
  const { port } = app.server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return { url: `http://${host}:${port}`, port };
}

async function stop(app: FastifyInstance, deps: HttpDeps): Promise<void> {
  const cut = setTimeout(() => {
    deps.log.warn({ graceSeconds: deps.config.graceSeconds }, 'requests were cut off by the stop');
    app.server.closeAllConnections();
  }, deps.config.graceSeconds * 1000);
  try {
    await app.close();
  } finally {
    clearTimeout(cut);
  }
}
