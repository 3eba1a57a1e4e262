import diagnostics from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { countingIds, silentLog } from '../../../../test-support/fakes.ts';
import { createListener, type Listener, type ListenerConfig } from './listener.ts';

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
}

/** A listener whose only part records what it sees, and answers with method and path. */
export async function openRecorder(
  config: Partial<ListenerConfig> = {},
  answering: 'at once' | 'later' | 'by hand' = 'at once',
): Promise<Recorder> {
  const seen: Seen[] = [];
  const waiting: Array<() => void> = [];
  const listener = createListener({
    log: silentLog,
    ids: countingIds(),
    config: { host: '127.0.0.1', port: 0, graceSeconds: 2, maxConnections: 1000, ...config },
  });
  listener.attach({ below: '/', handle: recording(seen, waiting, answering) });
  const { port } = await listener.listen();
  return { listener, port, seen, waiting };
}

export function recording(seen: Seen[], waiting: Array<() => void>, answering: string) {
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const one = { method: request.method ?? '', path: request.url ?? '', body: '' };
    seen.push(one);
    request.on('data', (bytes: Buffer) => {
      one.body += bytes.toString('latin1');
    });
    const answer = (): void => {
      response.end(`${one.method} ${one.path}`);
    };
    request.on('end', () => {
      if (answering === 'by hand') waiting.push(answer);
      else if (answering === 'later') setTimeout(answer, 1);
      else answer();
    });
    return true;
  };
}

export interface RawClient {
  readonly socket: Socket;
  /** What came back so far. */
  readonly answer: () => string;
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
