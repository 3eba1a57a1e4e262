import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface StrictServer {
  readonly url: string;
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

/** A service on loopback that answers what `answer` says, and 418 with the reason where the request is not as it must be. */
export async function strictServer(
  answer: (asked: Asked) => Answer | Promise<Answer>,
): Promise<StrictServer> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
    const one = {
      method: request.method ?? '',
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    asked.push(one);
    const made = await Promise.resolve()
      .then(() => answer(one))
      .catch((error: unknown) => ({ status: 418, body: { error: String(error) }, headers: {} }));
    response.writeHead(made.status, { 'content-type': 'application/json', ...made.headers });
    response.end(typeof made.body === 'string' ? made.body : JSON.stringify(made.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server that listens on TCP has an address with a port.
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`expected ${what}`);
}
