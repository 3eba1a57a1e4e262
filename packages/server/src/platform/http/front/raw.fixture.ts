import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { countingIds, silentLog } from '../../../../test-support/fakes.ts';
import { headerFields } from './answer-bytes.ts';
import { createListener, type Listener, type ListenerConfig } from './listener.ts';
import type { QuickExchange } from './quick-exchange.ts';

/** One request as a handler saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

export interface Recorder {
  readonly listener: Listener;
  readonly port: number;
  /** In the order in which the handlers were called, over all connections since the last `clear`. */
  readonly seen: Seen[];
  /** Requests without an answer yet, oldest first; used with `answering: 'by hand'`. */
  readonly waiting: Array<() => void>;
  /** How many of all requests came without Node's parser. */
  readonly quick: () => number;
}

type Answering = 'at once' | 'later' | 'by hand';

/** A listener whose only part records what it sees, and answers with method and path; `doors` says who reads. */
export async function openRecorder(
  config: Partial<ListenerConfig> = {},
  answering: Answering = 'at once',
  doors: 'Node alone' | 'both' = 'Node alone',
): Promise<Recorder> {
  const seen: Seen[] = [];
  const waiting: Array<() => void> = [];
  let quick = 0;
  const listener = createListener({
    log: silentLog,
    ids: countingIds(),
    config: { host: '127.0.0.1', port: 0, graceSeconds: 2, maxConnections: 1000, ...config },
  });
  const taking = recordingQuick(seen, waiting, answering);
  listener.attach({
    below: '/',
    handle: recording(seen, waiting, answering),
    ...(doors === 'Node alone'
      ? {}
      : {
          quick: (exchange: QuickExchange) => {
            quick += 1;
            return taking(exchange);
          },
        }),
  });
  const { port } = await listener.listen();
  return { listener, port, seen, waiting, quick: () => quick };
}

function recordingQuick(seen: Seen[], waiting: Array<() => void>, answering: Answering) {
  const fields = headerFields({});
  return (exchange: QuickExchange): boolean => {
    const { method, url: path } = exchange;
    seen.push({ method, path, body: exchange.body.toString('latin1') });
    answerBy(answering, waiting, () => exchange.answer(200, fields, Buffer.from(`${method} ${path}`)));
    return true;
  };
}

function answerBy(answering: Answering, waiting: Array<() => void>, answer: () => void): void {
  if (answering === 'by hand') waiting.push(answer);
  else if (answering === 'later') setTimeout(answer, 1);
  else answer();
}

export function recording(seen: Seen[], waiting: Array<() => void>, answering: Answering) {
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const one = { method: request.method ?? '', path: request.url ?? '', body: '' };
    seen.push(one);
    request.on('data', (bytes: Buffer) => {
      one.body += bytes.toString('latin1');
    });
    const answer = (): void => {
      response.end(`${one.method} ${one.path}`);
    };
    request.on('end', () => answerBy(answering, waiting, answer));
    return true;
  };
}

export interface RawClient {
  readonly socket: Socket;
  /** What came back so far. */
  readonly answer: () => string;
  /** Bytes that the server has read of this connection. */
  readonly readBytes: () => number;
  /** Writes `piece`, and resolves when the server has read it: the next piece comes to it as a packet of its own. */
  send(piece: string): Promise<void>;
  /** Resolves when `text` came back, or the connection ended, or after 5 s. */
  until(text: string | RegExp): Promise<string>;
  /** Resolves with all that came back when the connection ended; destroys it after `seconds`. */
  ended(seconds?: number): Promise<string>;
}

export async function rawClient(port: number): Promise<RawClient> {
  const accepted = serverSide();
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  const other = await accepted;
  let sentBytes = 0;
  return {
    socket,
    answer: () => answer,
    readBytes: () => other.bytesRead,
    send: async (piece) => {
      if (socket.destroyed || !socket.writable) return;
      socket.write(piece, 'latin1');
      sentBytes += Buffer.byteLength(piece, 'latin1');
      const giveUp = Date.now() + 3000;
      while (other.bytesRead < sentBytes && !other.destroyed && Date.now() < giveUp) await turn();
    },
    until: async (text) => {
      const giveUp = Date.now() + 5000;
      const there = (): boolean => (typeof text === 'string' ? answer.includes(text) : text.test(answer));
      while (!there() && !socket.destroyed && Date.now() < giveUp) await turn();
      return answer;
    },
    ended: async (seconds = 5) => {
      await Promise.race([closed, sleep(seconds * 1000)]);
      socket.destroy();
      return answer;
    },
  };
}

/** The socket that the server gets for the next connection, told by Node's own channel. */
function serverSide(): Promise<Socket> {
  return new Promise((resolve) => {
    const name = 'net.server.socket';
    const listener = (message: unknown): void => {
      diagnostics.unsubscribe(name, listener);
      // Documented: a message of this channel has the socket.
      resolve((message as { socket: Socket }).socket);
    };
    diagnostics.subscribe(name, listener);
  });
}
