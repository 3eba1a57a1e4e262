import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Fault, isFault } from '@sallyport/formats';
import type { EgressLimits } from '../limits.ts';
import type { Recorder } from '../recorder.ts';
import { type Listening, listenOnSocket } from '../socket-server.ts';
import type { Resolve } from './addresses.ts';
import { type Allowlist, createAllowlist, parseTarget, type Target } from './allowlist.ts';

/** Where a step finds the proxy: its sandbox carries this to the step's socket. */
export const proxyAddress = 'http://127.0.0.1:3128';

/** Of a plain request; everything about the connection itself is ours to say (RFC 9110 section 7.6.1). */
const hopByHop = new Set(
  'connection,keep-alive,proxy-authenticate,proxy-authorization,proxy-connection,te,trailer,transfer-encoding,upgrade,host'.split(
    ',',
  ),
);

/**
 * The way out for steps with `network: allowlist`: CONNECT tunnels and plain GET and HEAD, to exact host:port pairs.
 *
 * KNOWN LIMIT: inside a tunnel only the two ends read. A step may speak to another site of the same address (domain
 * fronting) or carry anything out; that is what listing a host allows, and the record says so by having no digest.
 */
export async function openProxy(deps: {
  readonly allow: readonly string[];
  readonly recorder: Recorder;
  readonly limits: EgressLimits;
  readonly resolve: Resolve;
  readonly socketPath: string;
}): Promise<Listening> {
  const { recorder, limits } = deps;
  const allowlist = createAllowlist(deps.allow, deps.resolve);
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  const note = (uri: string, reason?: string) =>
    recorder.record({
      kind: 'connect',
      decision: reason === undefined ? 'allowed' : 'denied',
      ...(reason === undefined ? {} : { reason }),
      uri,
      lock: 'not-applicable',
      cache: 'none',
    });

  /** Checked addresses of a target, or a Fault; either way it is on record. */
  const permit = async (
    asked: string,
    target: Target | undefined,
    list: Allowlist,
  ): Promise<readonly string[]> => {
    try {
      if (!recorder.hasRoom())
        throw new Fault('exhausted', 'egress.too_many_requests', 'this step has asked for too much');
      if (target === undefined) throw new Fault('invalid', 'egress.bad_target', 'expected host:port');
      const addresses = await list.permit(target);
      note(asked);
      return addresses;
    } catch (error) {
      note(asked, isFault(error) ? error.code : 'egress.internal');
      throw error;
    }
  };

  const tunnel = async (request: IncomingMessage, client: Duplex, head: Buffer) => {
    const asked = request.url ?? '';
    const target = parseTarget(asked);
    const addresses = await permit(asked, target, allowlist);
    const remote = track(await connectFirst(addresses, target?.port ?? 0, limits.connectMs));
    remote.setTimeout(limits.tunnelIdleMs, () => remote.destroy());
    client.on('error', () => remote.destroy());
    remote.on('error', () => client.destroy());
    client.on('close', () => remote.destroy());
    remote.on('close', () => client.destroy());
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length > 0) remote.write(head);
    remote.pipe(client);
    client.pipe(remote);
  };

  const forward = async (request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    const url = URL.parse(request.url ?? '');
    const plain = url !== null && url.protocol === 'http:' && url.username === '' && url.password === '';
    const asked = plain ? `${url.hostname}:${url.port || '80'}` : (request.url ?? '');
    const addresses = await permit(asked, plain ? parseTarget(asked) : undefined, allowlist);
    if (url === null || (request.method !== 'GET' && request.method !== 'HEAD')) {
      throw new Fault(
        'denied',
        'egress.method',
        'a plain request may only be GET or HEAD; use CONNECT for the rest',
      );
    }
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !hopByHop.has(name)),
    );
    await new Promise<void>((done, fail) => {
      const onward = httpRequest(url, {
        method: request.method,
        headers: { ...headers, host: url.host },
        agent: false,
        timeout: limits.idleMs,
        lookup: pinned(addresses[0] ?? ''),
      });
      onward.on('socket', track);
      onward.on('timeout', () => onward.destroy(new Error('idle')));
      onward.on('error', (cause) => fail(unreachable(cause)));
      onward.on('response', (answer) => {
        const kept = Object.entries(answer.headers).filter(([name]) => !hopByHop.has(name));
        response.writeHead(answer.statusCode ?? 502, Object.fromEntries(kept));
        answer.on('error', () => response.destroy());
        answer.pipe(response);
        done();
      });
      response.on('close', () => onward.destroy());
      onward.end();
    });
  };

  const server = createServer({ requestTimeout: 60_000, maxHeaderSize: 16_384 });
  server.maxConnections = limits.connectionsPerStep;
  server.on('connection', track);
  server.on('connect', (request, client, head) => {
    client.on('error', () => client.destroy());
    tunnel(request, client, head).catch((error: unknown) => client.end(refusal(error)));
  });
  server.on('request', (request, response) => {
    forward(request, response).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy();
      const { status, text } = refused(error);
      response.writeHead(status, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text) });
      response.end(text);
    });
  });
  return listenOnSocket(server, deps.socketPath, sockets);
}

/** One address after the other: they have all been checked. */
async function connectFirst(addresses: readonly string[], port: number, connectMs: number): Promise<Socket> {
  let failure: unknown;
  for (const address of addresses.slice(0, 4)) {
    try {
      return await new Promise<Socket>((done, fail) => {
        const socket = connect({ host: address, port, autoSelectFamily: false });
        const late = setTimeout(() => socket.destroy(new Error('connect timed out')), connectMs);
        socket.once('error', fail);
        socket.once('close', () => clearTimeout(late));
        socket.once('connect', () => {
          clearTimeout(late);
          socket.off('error', fail);
          done(socket);
        });
      });
    } catch (error) {
      failure = error;
    }
  }
  throw unreachable(failure);
}

/** Connects a name to the address that was checked, and to no other. */
function pinned(address: string): LookupFunction {
  const family = isIP(address);
  return (_host, options, done) =>
    options.all === true ? done(null, [{ address, family }]) : done(null, address, family);
}

function unreachable(cause: unknown): Fault {
  return new Fault('unavailable', 'egress.unreachable', 'the allowed host could not be reached', { cause });
}

function refused(error: unknown): { status: number; text: string } {
  if (!isFault(error))
    return { status: 500, text: 'sallyport: the proxy failed; see the log of the agent\n' };
  const status = error.kind === 'unavailable' ? 502 : error.kind === 'invalid' ? 400 : 403;
  return { status, text: `sallyport: ${error.message} (${error.code})\n` };
}

function refusal(error: unknown): string {
  const { status, text } = refused(error);
  const reason = status === 502 ? 'Bad Gateway' : status === 400 ? 'Bad Request' : 'Forbidden';
  return `HTTP/1.1 ${status} ${reason}\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`;
}
