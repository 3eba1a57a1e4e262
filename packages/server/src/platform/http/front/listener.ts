import { createServer as createHttpServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Fault } from '@sallyport/formats';
import type { Ids, Log } from '../../ports.ts';
import { createCertificates } from './certificates.ts';
import { FrontRequest, Gate } from './gate.ts';
import { createParts, type Part, type PartOnListener } from './parts.ts';
import type { QuickExchange } from './quick-exchange.ts';
import { faultOfParser, isTimeout, refusalBytes, refuse } from './refusal.ts';
import type { TlsFiles } from './tls-files.ts';

export interface ListenerConfig {
  readonly host: string;
  readonly port: number;
  /** How long a stop or a detach waits for requests in flight before it cuts them off. */
  readonly graceSeconds: number;
  readonly maxConnections: number;
  /** A connection without a request is closed when it stayed so for this time, or for half of it; 120 unless told. */
  readonly idleSeconds?: number;
  /** How long a TLS handshake and the head of a request may take; 10 unless told. */
  readonly headSeconds?: number;
  /** Plain HTTP without it. */
  readonly tls?: TlsFiles | undefined;
}

export interface ListenerDeps {
  readonly log: Log;
  readonly ids: Ids;
  readonly config: ListenerConfig;
}

/**
 * The sockets of the server, with all that protects them: TLS, limits, timeouts, the verb LIST, the stop. What answers
 * requests is attached and detached while it lives, so that a server that starts, or is sealed, answers what it can.
 */
export interface Listener {
  /** The longest `below` that fits is asked first; 503 where nobody takes a request. */
  attach(part: Part): PartOnListener;
  /** Starts to listen, once; further calls give the same address. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Takes no new requests, lets those in flight finish within the grace, then cuts. Idempotent. */
  stop(): Promise<void>;
}

const defaultHeadSeconds = 10;
const maxHeaderBytes = 16_384;
const defaultIdleSeconds = 120;
const certificatePollSeconds = 5;

export function createListener(deps: ListenerDeps): Listener {
  const { config, log } = deps;
  const parts = createParts(config.graceSeconds);
  const gates = new Set<Gate>();
  const sockets = new Set<Socket>();
  let stopping: Promise<void> | undefined;
  let listening: Promise<{ url: string; port: number }> | undefined;

  const server = serverFor(config);
  const certificates =
    config.tls === undefined
      ? undefined
      : createCertificates({
          files: config.tls,
          log,
          pollSeconds: certificatePollSeconds,
          // Only a server made by node:https has it, and only such a one has files.
          use: (material) => (server as ReturnType<typeof createHttpsServer>).setSecureContext(material),
        });

  const limits = { heldBytes: maxHeaderBytes, headSeconds: config.headSeconds ?? defaultHeadSeconds };
  const closeAfterLast = (socket: Socket): void => {
    if (stopping !== undefined && Gate.of(socket)?.idle === true) socket.destroySoon();
  };
  const offer = (exchange: QuickExchange): (() => void) | undefined => {
    const took = stopping === undefined ? parts.quick(exchange, log) : undefined;
    if (took === undefined) return undefined;
    return () => {
      took.finished(exchange);
      closeAfterLast(exchange.socket);
    };
  };
  const guard = (socket: Socket): Gate => {
    const gate = new Gate(socket, limits, offer);
    gates.add(gate);
    socket.once('close', () => gates.delete(gate));
    return gate;
  };
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (config.tls === undefined) guard(socket);
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    const gate = guard(socket);
    // Whoever shows a certificate means to be somebody: one that does not verify is not taken for none.
    if (config.tls?.clientCaFile === undefined || socket.authorized || !socket.getPeerX509Certificate())
      return;
    gate.shut();
    const fault = new Fault(
      'invalid',
      'http.client_certificate',
      'expected no client certificate or one that this server can verify',
    );
    socket.end(refusalBytes(fault, deps.ids.next('req')));
  });
  server.on('request', (request: FrontRequest, response: ServerResponse) => {
    const gate = Gate.of(request.socket);
    if (gate?.isShut === true) return;
    if (request.verb !== undefined) request.method = request.verb;
    gate?.begin(response);
    const took = stopping === undefined ? parts.handle(request, response, log) : undefined;
    response.on('close', () => {
      took?.finished(response);
      gate?.end(response);
      closeAfterLast(request.socket);
    });
    if (took === undefined)
      refuse(request, response, unavailable(stopping !== undefined), deps.ids.next('req'));
  });
  server.on('clientError', (error: Error, socket: Socket) => {
    const gate = Gate.of(socket);
    if (gate?.isUnknownToNode === true && isTimeout(error)) return;
    const fault = faultOfParser(error);
    const tell = fault !== undefined && socket.writable && gate?.mayRefuse === true;
    gate?.shut();
    if (tell) socket.end(refusalBytes(fault, deps.ids.next('req')));
    else socket.destroy();
  });

  const sweep = setInterval(
    () => {
      for (const gate of gates) if (gate.stayedQuiet()) gate.socket.destroySoon();
    },
    ((config.idleSeconds ?? defaultIdleSeconds) * 1000) / 2,
  );
  sweep.unref();
  const stop = async (): Promise<void> => {
    certificates?.stop();
    clearInterval(sweep);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    parts.lastAnswers();
    for (const gate of gates) if (gate.idle) gate.socket.destroySoon();
    const cut = setTimeout(() => {
      log.warn({ graceSeconds: config.graceSeconds }, 'requests were cut off by the stop');
      for (const socket of sockets) socket.destroy();
    }, config.graceSeconds * 1000);
    await closed;
    clearTimeout(cut);
  };
  return {
    attach: parts.attach,
    listen: () => {
      listening ??= (async () => {
        await certificates?.start();
        return bind(server, config);
      })();
      return listening;
    },
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

function serverFor(config: ListenerConfig): Server<typeof FrontRequest> {
  const headMilliseconds = (config.headSeconds ?? defaultHeadSeconds) * 1000;
  const options = {
    IncomingMessage: FrontRequest,
    // Said here, because an environment variable can switch it on for the whole process.
    insecureHTTPParser: false,
    headersTimeout: headMilliseconds,
    // The whole request has a deadline of its own where it is handled; Node's clock bounds the head only.
    requestTimeout: 0,
    connectionsCheckingInterval: headMilliseconds / 5,
    // The sweep closes idle connections: a timer set and cleared for each request costs more than all of the gate.
    keepAliveTimeout: 0,
    maxHeaderSize: maxHeaderBytes,
  };
  const server =
    config.tls === undefined
      ? createHttpServer(options)
      : createHttpsServer({
          ...options,
          handshakeTimeout: headMilliseconds,
          // Asked for, but needed by nobody at this level: what a certificate allows is decided by who reads it.
          requestCert: config.tls.clientCaFile !== undefined,
          rejectUnauthorized: false,
        });
  server.maxConnections = config.maxConnections;
  // The stop would destroy what Node takes for idle, and Node does not see the requests that the gate reads. Who is idle
  // is told by the gates.
  server.closeIdleConnections = () => undefined;
  return server;
}

function unavailable(isStopping: boolean): Fault {
  return isStopping
    ? new Fault('unavailable', 'http.stopping', 'the server stops', { hint: 'try again later' })
    : new Fault('unavailable', 'http.not_ready', 'the server is not ready for this request yet', {
        hint: 'it starts, or it is sealed: try again later',
      });
}

async function bind(server: Server, config: ListenerConfig): Promise<{ url: string; port: number }> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: config.host, port: config.port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw new Fault('conflict', 'platform.listen', `cannot listen on ${config.host}:${config.port}`, {
      hint: 'another program may use the port: stop it, or choose another with --listen-port',
      cause: error,
    });
  }
  // A TCP server that listens has an address of this shape (a text is for pipes).
  const { port } = server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return { url: `${config.tls === undefined ? 'http' : 'https'}://${host}:${port}`, port };
}
