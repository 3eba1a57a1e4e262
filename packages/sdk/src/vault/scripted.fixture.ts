import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Timing } from './timing.ts';

export interface Scripted {
  readonly address: string;
  /** `METHOD /path` of every request so far. */
  readonly seen: string[];
  close(): Promise<void>;
}

export type Reply = (
  request: IncomingMessage,
  body: string,
) => {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

/** A server on loopback that answers what the test says: for refusals that a healthy server does not give. */
export async function scripted(reply: Reply): Promise<Scripted> {
  const seen: string[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push(`${request.method} ${request.url}`);
      const { status, body, headers = {} } = reply(request, String(Buffer.concat(chunks)));
      response.writeHead(status, headers);
      response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // a TCP server's address is always this
  return {
    address: `http://127.0.0.1:${port}`,
    seen,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface ManualTiming extends Timing {
  /** Moves time on and runs what is due, in its order. */
  advance(ms: number): Promise<void>;
  readonly waiting: readonly number[];
}

/** Time that passes when the test says so. Pauses shorter than `realBelowMs` are not waited for at all. */
export function manualTiming(realBelowMs = 0): ManualTiming {
  let now = 1_000;
  const timers = new Set<{ readonly at: number; readonly action: () => void }>();
  const settle = async (): Promise<void> => {
    // Answers from loopback take a few turns of the event loop.
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const after = (ms: number, action: () => void): (() => void) => {
    if (ms < realBelowMs) {
      const timer = setTimeout(action, 0);
      return () => clearTimeout(timer);
    }
    const timer = { at: now + ms, action };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  return {
    now: () => now,
    random: () => 0.5,
    after,
    wait: after,
    get waiting() {
      return [...timers].map(({ at }) => at - now).sort((a, b) => a - b);
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        const [due] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (due === undefined) break;
        now = Math.max(now, due.at);
        timers.delete(due);
        due.action();
        await settle();
      }
      now = end;
      await settle();
    },
  };
}
